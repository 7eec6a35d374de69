#pragma once
/* A journal that grows old: days go by, the centre gets what there is, and what is due leaves. */
#include "fixture.h"

void    aging_open(struct fixture *f, unsigned journal_days, unsigned history_days);
void    aging_pass_days(struct fixture *f, int days);
void    aging_settle(struct fixture *f);                        /* until nothing more is due */
void    aging_reach_centre(struct fixture *f, int64_t seq);     /* it has our ops up to seq; 0: all of them */
int64_t aging_ask(struct fixture *f, const char *sql);          /* a number that the journal's database gives */
