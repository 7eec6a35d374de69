#pragma once
/* The file journal.id beside tombolo.db: which journal lives in the folder, and the position that it had come to. With it a
 * missing, emptied or older tombolo.db, or a lost WAL, is found before anything is written over it. The file may lag behind the
 * journal, and is never ahead of what is durable: the writer notes a position after its COMMIT. For src/store only. */
#include "store/journal.h"

struct journal_id {
    int     fd;                         /* -1: not open */
    char    uuid[UUID_SIZE];
    int64_t noted;                      /* position */
};

/* Before the database is opened. TB_EIO: the folder had a journal, by journal.id or by a WAL, whose tombolo.db is missing or
 * empty. Changes nothing. Threads: main. */
enum tb_code journal_id_check_files(const char *dir, struct tb_err *e) TB_MUST_CHECK;

/* Before the first write to it. TB_EIO: the folder had a journal, and the database d has no table. Changes nothing. Threads: main. */
enum tb_code journal_id_check_tables(const char *dir, struct db *d, struct tb_err *e) TB_MUST_CHECK;

/* Compares journal.id with the journal that was loaded, and makes the file where there is none. TB_EIO: another journal's, or the
 * journal ends before the noted position, or the file cannot be made. Threads: main. */
enum tb_code journal_id_open(struct journal_id *id, const char *dir, const struct self *self, struct tb_err *e) TB_MUST_CHECK;

/* After a COMMIT. A write that fails is passed over: the file then lags behind. Threads: the writer. */
void journal_id_note(struct journal_id *id, int64_t head_pos);
void journal_id_close(struct journal_id *id);

/* For commands that give the folder another journal; the next start makes the file anew. */
enum tb_code journal_id_forget(const char *dir, struct tb_err *e) TB_MUST_CHECK;
