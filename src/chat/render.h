#pragma once
/* The JSON shapes of DESIGN section 4, each written in this one place, for REST and for the events.
 * Threads: any. */
#include "base/json.h"
#include "store/store.h"

/* {id,email,username,createdAt,lastSeen}: never the hash. */
void chat_render_user(struct tb_json *j, const struct store_user *u);

/* {id,userId,roomId} */
void chat_render_member(struct tb_json *j, int64_t id, int64_t user_id, int64_t room_id);

/* {id,content,createdAt,senderId,roomId,sender:{id,username,email}}; as an item of a history page with syncedAt. */
void chat_render_message(struct tb_json *j, const struct store_message *m);
void chat_render_item(struct tb_json *j, const struct store_message *m);

/* {id,name,isPrivate,createdAt,unread,lastMessage} */
void chat_render_room(struct tb_json *j, const struct store_room *r);

/* {userId,deliveredAt,readAt} */
void chat_render_room_member(struct tb_json *j, const struct store_room_member *m, bool is_online);
void chat_render_receipt(struct tb_json *j, const struct store_receipt *r);

/* {id,name,isPrivate,createdAt,members:[creator]} */
void chat_render_new_room(struct tb_json *j, const struct store_add_room *r);

/* Seconds after which trying again may help; 0: it will not. */
uint32_t chat_retry_after(const struct tb_err *e);

/* {message,code,retryAfter?}: what is sent of a failure. */
void chat_render_failure(struct tb_json *j, const struct tb_err *e);
