/* tombolo help bash. The script walks the words that stand already as far as they are commands, and offers what may follow there;
 * where that is nothing, names of files. */
#include "completion.h"

#include "config/table.h"

static const char head[] = "# bash completion for tombolo, as tombolo help bash prints it\n"
                           "_tombolo() {\n"
                           "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} at=tombolo words= i\n"
                           "    COMPREPLY=()\n"
                           "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
                           "        case \"$at ${COMP_WORDS[i]}\" in\n";
static const char middle[] = "        esac\n"
                             "    done\n"
                             "    case $at in\n";
static const char tail[] = "    case $prev in\n"
                           "    --data) COMPREPLY=($(compgen -d -- \"$cur\")); return ;;\n"
                           "    --set) compopt -o nospace; words=\"$settings\" ;;\n"
                           "    esac\n"
                           "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
                           "}\n"
                           "complete -o bashdefault -o default -F _tombolo tombolo\n";

/* ---- where one may be ---- */

static void
add_place(struct tb_buf *out, const struct command *group, const struct command *c)
{
    tb_buf_printf(out, "        \"tombolo %s%s%s\")", group != NULL ? group->name : "", group != NULL ? " " : "", c->name);
    tb_buf_printf(out, " at=\"tombolo %s%s%s\" ;;\n", group != NULL ? group->name : "", group != NULL ? " " : "", c->name);
}

static void
add_places(struct tb_buf *out, const struct command *group, const struct command *in)
{
    for (; in->name != NULL; in++) {
        add_place(out, group, in);
        if (in->commands != NULL)
            add_places(out, in, in->commands);
    }
}

/* ---- what may follow there ---- */

static void
add_names(struct tb_buf *out, const struct command *in)
{
    for (; in->name != NULL; in++)
        tb_buf_printf(out, "%s ", in->name);
}

/* Of "  --name VALUE   what it does\n": "--name". */
static void
add_options(struct tb_buf *out, const char *takes, const struct cli_option_help *options)
{
    for (; options->help != NULL; options++) {
        tb_str text = tb_str_trim(tb_str_of(options->help));
        size_t n = 0;
        while (n < text.n && text.p[n] != ' ')
            n++;
        if (strchr(takes, options->letter) != NULL)
            tb_buf_printf(out, "%.*s ", (int)n, text.p);
    }
}

static void
add_words(struct tb_buf *out, const struct command *group, const struct command *in, const struct cli_option_help *options)
{
    for (; in->name != NULL; in++) {
        tb_buf_printf(out, "    \"tombolo %s%s%s\") words=\"", group != NULL ? group->name : "", group != NULL ? " " : "",
                      in->name);
        if (in->commands != NULL)
            add_names(out, in->commands);
        else
            add_options(out, in->takes, options);
        tb_buf_add(out, TB_LIT("\" ;;\n"));
        if (in->commands != NULL)
            add_words(out, in, in->commands, options);
    }
}

static void
add_settings(struct tb_buf *out)
{
    char key[CONFIG_MAX_NAME];

    tb_buf_add(out, TB_LIT("    local settings=\""));
    for (int i = 0; i < config_settings; i++) {
        config_write_key(&config_table[i], key);
        tb_buf_printf(out, "%s= ", key);
    }
    tb_buf_add(out, TB_LIT("\"\n"));
}

enum exit_code
cli_completion(const struct command *commands, const struct cli_option_help *options)
{
    struct tb_buf out = TB_BUF_INIT;

    tb_buf_add(&out, tb_str_of(head));
    add_places(&out, NULL, commands);
    tb_buf_add(&out, tb_str_of(middle));
    tb_buf_add(&out, TB_LIT("    tombolo) words=\"help "));
    add_names(&out, commands);
    tb_buf_add(&out, TB_LIT("\" ;;\n"));
    add_words(&out, NULL, commands, options);
    tb_buf_add(&out, TB_LIT("    esac\n"));
    add_settings(&out);
    tb_buf_add(&out, tb_str_of(tail));
    cli_print(&out);
    return FINE;
}
