#pragma once
/* A store that does nothing by itself: requests wait here until the test answers them, in its own words. */
#include "store/store.h"

enum fake_what {
    FAKE_NOTHING, FAKE_ADD_USER, FAKE_CHANGE_USER, FAKE_ADD_ROOM, FAKE_ADD_MEMBER, FAKE_REMOVE_MEMBER, FAKE_ADD_MESSAGE,
    FAKE_ADD_READ, FAKE_FIND_LOGIN, FAKE_FIND_USER, FAKE_FIND_SENT, FAKE_LIST_ROOMS, FAKE_LIST_MEMBERS,
    FAKE_LIST_MESSAGES, FAKE_LIST_RECEIPTS,
};

/* The request that waits; at most one may. FAKE_NOTHING: none. */
enum fake_what fake_waiting(void);

/* The waiting request, of this kind, to read and fill. */
void *fake_request(enum fake_what what);

/* Answers it; code TB_OK: with what was filled in. */
void fake_answer(enum fake_what what, enum tb_code code);
