#pragma once
/* The data folder and the lock that keeps a second process out of it: two writers would each give out the same ids.
 * For src/store only. Threads: main. */
#include "tombolo/err.h"

/* Makes dir with mode 0700 when missing and takes its lock, which goes with the descriptor *lock_fd. TB_EIO: another process
 * has it, or the folder cannot be made. */
enum tb_code store_folder_take(const char *dir, int *lock_fd, struct tb_err *e) TB_MUST_CHECK;

/* A journal's files in a folder that has nothing else, and the folder itself. What is not there is no failure. */
void store_folder_discard(const char *dir);
