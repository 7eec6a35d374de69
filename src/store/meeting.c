/* Bodies of meeting.h. What is waited for follows from self alone, so a change that is behind sync's in the same batch is
 * judged by what sync has just done. */
#include "meeting.h"

#include "base/log.h"

enum { RETRY_AFTER_S = 1 };

static enum store_awaits
what_self_awaits(const struct self *s)
{
    bool knows_centre = s->centre_uuid[0] != '\0';

    if (knows_centre && s->restored != STORE_NOT_RESTORED)
        return STORE_AWAITS_CENTRE;
    return !knows_centre && s->seq == 0 && s->node == 0 ? STORE_AWAITS_NUMBER : STORE_AWAITS_NOTHING;
}

enum store_awaits
meeting_awaits(const struct store_facts *facts, const struct tb_clock *clock)
{
    enum store_awaits what = (enum store_awaits)facts->awaits;

    return tb_mono_ms(clock) < facts->awaits_until_ms[what] ? what : STORE_AWAITS_NOTHING;
}

void
meeting_begin(struct store_facts *facts, const struct store_settings *settings, const struct self *self)
{
    int64_t ms = settings->first_contact_ms;

    facts->awaits_until_ms[STORE_AWAITS_NUMBER] = tb_mono_ms(settings->clock) + ms;
    facts->awaits_until_ms[STORE_AWAITS_CENTRE] = ms > 0 ? INT64_MAX : 0;
    facts->awaits = (int)what_self_awaits(self);
}

void
meeting_note(struct store_facts *facts, const struct store_settings *settings, const struct self *self, int64_t seq_before)
{
    bool is_alone = seq_before == 0 && self->seq > 0 && self->node == 0 && self->centre_uuid[0] == '\0';

    facts->awaits = (int)what_self_awaits(self);
    if (is_alone && settings->first_contact_ms > 0)
        log_warn("store.goes_alone", "node=0 why=\"the centre was not met before the first change; if that number is another's"
                                     " there, tombolo sync enroll gives this journal one of its own\"");
}

/* A copy can be made of what is here; and this one ends the waiting. */
static bool
may_come_before(const struct store_op *op)
{
    return op->what == WHAT_begin_backup || op->what == WHAT_end_backup || op->what == WHAT_go_alone;
}

static bool
refuse(struct store_op *op, const char *why)
{
    tb_fail(&op->err, TB_EBUSY, NULL, "%s", why);
    op->err.retry_after_s = RETRY_AFTER_S;
    return true;
}

bool
meeting_refuses(struct store_facts *facts, const struct store_settings *settings, const struct journal *j, struct store_op *op)
{
    if (j->is_restoring)
        return refuse(op, "own ops are coming back from the centre");
    facts->awaits = (int)what_self_awaits(&j->self);
    switch (may_come_before(op) ? STORE_AWAITS_NOTHING : meeting_awaits(facts, settings->clock)) {
    case STORE_AWAITS_NUMBER:
        return refuse(op, "the centre is asked for this journal's number first");
    case STORE_AWAITS_CENTRE:
        return refuse(op, "this journal was restored and has not met its centre since; see tombolo sync alone");
    case STORE_AWAITS_NOTHING:
    case STORE_AWAITS_COUNT:
        break;
    }
    return false;
}
