#pragma once
/* tombolo health and top: looking at a server that runs. Threads: main. */
#include "out.h"

enum exit_code cli_health(const struct options *o);
enum exit_code cli_top(const struct options *o);
