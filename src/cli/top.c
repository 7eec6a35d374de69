/* tombolo top: what a running server does, in a terminal, again and again; elsewhere a line at each interval. It asks the server's
 * control socket for what GET /metrics says, so it needs no port, and is not in the way of those limits.
 * The terminal gets back what it had, whichever way this ends. */
#include "watch.h"

#include "base/clock.h"
#include "control/client.h"
#include "journal.h"
#include "top_view.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum { DEFAULT_MS = 2000, ONCE_MS = 1000, LEAST_MS = 100, MOST_MS = 3600000, ANSWER_MS = 5000, USUAL_WIDTH = 80, USUAL_HEIGHT = 24 };

#define ENTER "\033[?1049h\033[?25l\033[H\033[2J"     /* another screen, no cursor */
#define LEAVE "\033[?25h\033[?1049l"

struct top {
    const struct options *o;
    const char           *dir;
    int64_t               interval_ms;
    bool                  is_screen;
    struct top_reading    last, now;    /* now.n 0: none yet */
    struct tb_err         err;          /* of the last attempt */
};

/* ---- the terminal ---- */

static struct termios      saved;
static volatile sig_atomic_t is_entered, is_resized;

static void
write_out(const char *p, size_t n)
{
    while (n > 0) {
        ssize_t done = write(STDOUT_FILENO, p, n);
        if (done < 0 && errno != EINTR)
            return;
        if (done > 0)
            p += done, n -= (size_t)done;
    }
}

static void
enter(void)
{
    struct termios raw = saved;

    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    write_out(ENTER, sizeof ENTER - 1);
    is_entered = 1;
}

/* Also from signal handlers: what it calls may be called there. */
static void
leave(void)
{
    if (!is_entered)
        return;
    is_entered = 0;
    write_out(LEAVE, sizeof LEAVE - 1);
    tcsetattr(STDIN_FILENO, TCSANOW, &saved);
}

static void
end_by(int number)
{
    leave();
    signal(number, SIG_DFL);
    raise(number);
}

/* ^Z and back. */
static void
rest_by(int number)
{
    (void)number;
    leave();
    raise(SIGSTOP);
    enter();
    is_resized = 1;
}

static void
note_resize(int number)
{
    (void)number;
    is_resized = 1;
}

static void
hear_signals(void)
{
    const int ends[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        sigaction(ends[i], &(struct sigaction){ .sa_handler = end_by }, NULL);
    sigaction(SIGTSTP, &(struct sigaction){ .sa_handler = rest_by }, NULL);
    sigaction(SIGWINCH, &(struct sigaction){ .sa_handler = note_resize }, NULL);
}

static bool
has_colour(void)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

    return (no == NULL || no[0] == '\0') && term != NULL && strcmp(term, "dumb") != 0;
}

static struct top_screen
measure(void)
{
    struct winsize w = { 0 };

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) != 0 || w.ws_col == 0 || w.ws_row == 0)
        w = (struct winsize){ .ws_col = USUAL_WIDTH, .ws_row = USUAL_HEIGHT };
    return (struct top_screen){ .width = w.ws_col, .height = w.ws_row, .has_colour = has_colour() };
}

/* ---- readings ---- */

static bool
read_server(struct top *t)
{
    json_t *data = NULL;

    t->err = (struct tb_err){ 0 };
    if (control_ask_within(t->dir, "metrics", ANSWER_MS, &data, &t->err) != TB_OK)
        return false;
    struct tb_buf text = TB_BUF_INIT;
    tb_buf_add(&text, tb_str_of(json_string_value(json_object_get(data, "text"))));
    json_decref(data);
    top_reading_fini(&t->last);
    t->last = t->now;
    top_reading_take(&t->now, &text);
    t->now.at_us = tb_mono_us(&tb_clock_system);
    return true;
}

static bool
has_pair(const struct top *t)
{
    return t->last.n > 0;
}

static const char *
now_text(char iso[TB_ISO_SIZE])
{
    tb_str s = tb_time_iso(tb_wall_ms(&tb_clock_system), iso);
    iso[s.n] = '\0';
    return iso;
}

/* ---- showing ---- */

static void
draw(const struct top *t)
{
    struct tb_buf     out = TB_BUF_INIT;
    char              iso[TB_ISO_SIZE], clock[16];
    struct top_screen s = measure();

    snprintf(clock, sizeof clock, "%.8sZ", now_text(iso) + strlen("2026-11-22T"));
    s.title = t->dir;
    s.now = clock;
    s.trouble = t->err.code != TB_OK ? t->err.why : has_pair(t) ? NULL : "looking for the first time";
    tb_buf_add(&out, TB_LIT("\033[H"));
    top_view_screen(has_pair(t) ? &t->last : &t->now, &t->now, &s, &out);
    tb_buf_add(&out, TB_LIT("\033[J"));         /* and what is below */
    write_out(out.p, out.n);
    tb_buf_fini(&out);
}

static void
print_line(const struct top *t)
{
    struct tb_buf out = TB_BUF_INIT;
    char          iso[TB_ISO_SIZE];

    if (t->err.code != TB_OK) {
        fprintf(stderr, "tombolo: %s\n", t->err.why);
        return;
    }
    if (!has_pair(t))
        return;
    top_view_line(&t->last, &t->now, now_text(iso), t->o->as_json, &out);
    cli_print(&out);
    fflush(stdout);
}

/* ---- time and keys ---- */

/* Until the next reading is due. False: it is to end. */
static bool
wait_screen(const struct top *t, int64_t until)
{
    struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
    int64_t       left;

    while ((left = until - tb_mono_ms(&tb_clock_system)) > 0) {
        char key = 0;
        if (is_resized) {
            is_resized = 0;
            draw(t);
        }
        if (poll(&p, 1, (int)left) <= 0)
            continue;
        if (read(STDIN_FILENO, &key, 1) == 0 || key == 'q' || key == 'Q' || key == '\004')
            return false;
        if (key == ' ')
            return true;
    }
    return true;
}

static void
wait_plain(int64_t until)
{
    int64_t left;

    while ((left = until - tb_mono_ms(&tb_clock_system)) > 0)
        poll(NULL, 0, (int)left);
}

static void
run_screen(struct top *t)
{
    bool goes_on = true;

    tcgetattr(STDIN_FILENO, &saved);
    hear_signals();
    enter();
    while (goes_on) {
        int64_t began = tb_mono_ms(&tb_clock_system);
        read_server(t);
        draw(t);
        goes_on = wait_screen(t, began + (has_pair(t) ? t->interval_ms : LEAST_MS));
    }
    leave();
}

static enum exit_code
run_lines(struct top *t)
{
    for (;;) {
        int64_t began = tb_mono_ms(&tb_clock_system);
        bool    is_read = read_server(t);
        print_line(t);
        if (t->o->is_once && !is_read)
            return FAILED;
        if (t->o->is_once && has_pair(t))
            return FINE;
        wait_plain(began + t->interval_ms);
    }
}

/* ---- the command ---- */

/* Seconds, maybe with a part: 0.5. */
static bool
take_interval(struct top *t)
{
    char  *end;
    double s = t->o->interval != NULL ? strtod(t->o->interval, &end) : 0;

    t->interval_ms = t->o->is_once ? ONCE_MS : DEFAULT_MS;
    if (t->o->interval == NULL)
        return true;
    t->interval_ms = s * 1000 >= LEAST_MS && s * 1000 <= MOST_MS ? (int64_t)(s * 1000) : 0;
    return *end == '\0' && end != t->o->interval && t->interval_ms > 0;
}

enum exit_code
cli_top(const struct options *o)
{
    struct top       t = { .o = o };
    struct tb_config c;
    enum exit_code   code = FINE;

    if (!take_interval(&t)) {
        fprintf(stderr, "tombolo: --interval takes seconds, from %.1f to %d\n", LEAST_MS / 1000.0, MOST_MS / 1000);
        return MISUSED;
    }
    if (!cli_load(o, &c))
        return MISUSED;
    t.dir = c.server.data;
    t.is_screen = !o->is_once && !o->as_json && isatty(STDOUT_FILENO) == 1 && isatty(STDIN_FILENO) == 1;
    if (cli_journal_find(t.dir, &t.err) == TB_ENOTFOUND)
        code = cli_failed(&t.err);
    else if (t.is_screen)
        run_screen(&t);
    else
        code = run_lines(&t);
    top_reading_fini(&t.last);
    top_reading_fini(&t.now);
    tb_config_fini(&c);
    return code;
}
