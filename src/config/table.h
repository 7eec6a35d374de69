#pragma once
/* The rows behind config.h: what settings there are, how they are called, what they may be. For config.c.
 * Threads: any; constant. */
#include "config.h"

enum config_type { CONFIG_TEXT, CONFIG_NUMBER, CONFIG_YES_NO, CONFIG_CHOICE };

struct config_setting {
    const char        *section, *key;
    enum config_type   type;
    size_t             offset;          /* in struct tb_config: char *, int64_t, bool, int64_t */
    const char        *initial;
    int64_t            min, max;        /* number: its value; text: its bytes */
    const char *const *choices;         /* choice: in the order of its values, then NULL */
    const char        *env;             /* an older or shorter name beside TOMBOLO_<SECTION>_<KEY> */
    bool               is_secret, is_url;
    const char        *help;
};

enum {
    CONFIG_SETTINGS_MOST = 128,         /* room for notes about each */
    CONFIG_MAX_NAME = 64,               /* of keys and variables we know, with a NUL */
    CONFIG_MAX_LINE = 4096,             /* bytes of a line of the file: a list of origins may be long */
    CONFIG_NOT_FOUND = -1,
};

#define CONFIG_ENV_PREFIX "TOMBOLO_"

extern const struct config_setting config_table[];
extern const int                   config_settings;     /* entries of config_table */

void config_write_key(const struct config_setting *s, char out[CONFIG_MAX_NAME]);       /* server.port */
void config_write_env(const struct config_setting *s, char out[CONFIG_MAX_NAME]);       /* TOMBOLO_SERVER_PORT */
int  config_find(tb_str key);                               /* its row, or CONFIG_NOT_FOUND */

/* The name that is least unlike; write is one of the two above. */
void config_write_nearest(tb_str name, void (*write)(const struct config_setting *, char[CONFIG_MAX_NAME]),
                          char out[CONFIG_MAX_NAME]);

void config_write_allowed(const struct config_setting *s, struct tb_buf *out);          /* "a number from 0 to 65535" */

/* Where the value is. */
void       *config_slot(struct tb_config *c, const struct config_setting *s);
const void *config_value(const struct tb_config *c, const struct config_setting *s);

bool config_set_value(struct tb_config *c, const struct config_setting *s, tb_str v);   /* false: not allowed, unchanged */
