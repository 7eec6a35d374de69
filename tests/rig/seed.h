#pragma once
/* Which chances a test run takes, and how many. TB_SEED=n repeats a run, TB_LONG=1 takes many more rounds. */
#include "random.h"

/* TB_SEED, or a new one; printed as a TAP comment either way. */
uint64_t rig_seed(void);

unsigned rig_rounds(unsigned in_short, unsigned in_long);
