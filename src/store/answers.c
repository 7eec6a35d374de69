/* Body of answers.h. */
#include "answers.h"

#include "base/log.h"

static void
answer(struct tb_msg *m)
{
    struct store_op *op = TB_CONTAINER(m, struct store_op, msg);

    log_about(op->about);
    op->on_done(op);
    log_about(TB_STR_NULL);
}

void
answers_post(struct tb_msg_list *batch)
{
    struct tb_msg_list run = { 0 };
    struct tb_mailbox *to = NULL;
    struct tb_msg     *m;

    while ((m = tb_msg_list_take(batch)) != NULL) {
        struct store_op *op = TB_CONTAINER(m, struct store_op, msg);
        if (to != NULL && to != op->reply_to)
            tb_mailbox_post_list(to, &run);
        to = op->reply_to;
        m->run = answer;
        tb_msg_list_add(&run, m);
    }
    if (to != NULL)
        tb_mailbox_post_list(to, &run);
}
