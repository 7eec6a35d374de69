#pragma once
/* The address of the control socket of a data folder, for both ends. Threads: plain values. */
#include "tombolo/err.h"

#include <sys/un.h>

/* Socket addresses hold 107 bytes, folders may have longer names: so the folder is opened and the address leads through that
 * descriptor, which stays open as long as the address is used. The caller closes *dir_fd. */
enum tb_code control_address(const char *dir, int *dir_fd, struct sockaddr_un *out, struct tb_err *e) TB_MUST_CHECK;
