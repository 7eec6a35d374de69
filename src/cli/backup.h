#pragma once
/* tombolo backup and restore. Threads: main. */
#include "out.h"

enum exit_code cli_backup(const struct options *o);
enum exit_code cli_restore(const struct options *o);
