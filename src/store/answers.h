#pragma once
/* How the store's threads answer: each op's on_done runs on the thread that owns its reply_to. Threads: writer and readers. */
#include "store/store.h"

/* Posts the ops of the batch to their reply_to in order; neighbours for the same thread go in one post. */
void answers_post(struct tb_msg_list *batch);
