#pragma once
/* Whose files are. What root makes in somebody else's folder would be out of that user's reach. Threads: any. */

/* fd: a file or folder just made in dir. When root made it, it becomes dir's owner's, as SQLite does with its WAL; where that is
 * not allowed it stays as it is. */
void tb_give_to_owner(int fd, const char *dir);
