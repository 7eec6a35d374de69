/* What tombolo top makes of two readings of the metrics. */
#include "tap.h"
#include "cli/top_view.h"

#include <math.h>
#include <stdio.h>

static struct top_reading a, b;

static void
take(struct top_reading *r, int64_t at_us, const char *text)
{
    struct tb_buf t = TB_BUF_INIT;

    tb_buf_add(&t, tb_str_of(text));
    top_reading_take(r, &t);
    r->at_us = at_us;
}

static int
forget(void **state)
{
    (void)state;
    top_reading_fini(&a);
    top_reading_fini(&b);
    return 0;
}

static bool
is_about(double expected, double is)
{
    if (fabs(expected - is) < 1e-6)
        return true;
    print_error("%f instead of %f\n", is, expected);
    return false;
}

static void
values_are_found_by_name_and_label_and_added_up(void **state)
{
    bool is_there;
    (void)state;
    take(&a, 0, "# HELP x y\n# TYPE x gauge\nx 3\nxy 4\ns{state=\"live\"} 5\ns{state=\"old\"} 6.5\nbroken\nbad{ 1 2 x\n\nlast{a=\"b\"} 1e3");
    assert_true(is_about(3, top_value(&a, "x", NULL, &is_there)) && is_there);
    assert_true(is_about(11.5, top_value(&a, "s", NULL, NULL)));
    assert_true(is_about(5, top_value(&a, "s", "state=\"live\"", NULL)));
    assert_true(is_about(1000, top_value(&a, "last", NULL, NULL)));
    assert_true(is_about(0, top_value(&a, "nothing", NULL, &is_there)) && !is_there);
    assert_true(is_about(0, top_value(&a, "x", "state=", &is_there)) && !is_there);
}

static void
rates_are_of_a_second_and_none_is_below_nothing(void **state)
{
    (void)state;
    take(&a, 1000000, "n 10\nback 9\n");
    take(&b, 3000000, "n 16\nback 2\nnew 8\n");
    assert_true(is_about(3, top_rate(&a, &b, "n", NULL)));
    assert_true(is_about(0, top_rate(&a, &b, "back", NULL)));       /* another process has begun at 0 */
    assert_true(is_about(4, top_rate(&a, &b, "new", NULL)));
    assert_true(is_about(0, top_rate(&b, &b, "n", NULL)));
}

#define HISTOGRAM(one, two, all) \
    "h_bucket{le=\"0.001\"} " #one "\nh_bucket{le=\"0.01\"} " #two "\nh_bucket{le=\"+Inf\"} " #all "\nh_count " #all "\n"

static void
quantiles_are_of_what_came_between_the_two(void **state)
{
    (void)state;
    take(&a, 0, HISTOGRAM(100, 100, 100));
    take(&b, 1000000, HISTOGRAM(150, 200, 200));
    assert_true(is_about(0.001, top_quantile(&a, &b, "h", NULL, 0.5)));
    assert_true(is_about(0.0055, top_quantile(&a, &b, "h", NULL, 0.75)));
    assert_true(is_about(0.0005, top_quantile(&a, &b, "h", NULL, 0.25)));
    assert_true(is_about(-1, top_quantile(&b, &b, "h", NULL, 0.5)));
    assert_true(is_about(-1, top_quantile(&a, &b, "none", NULL, 0.5)));
}

static void
quantiles_of_several_labels_are_of_all_of_them_and_beyond_the_last_edge_of_it(void **state)
{
    (void)state;
    take(&a, 0, "");
    take(&b, 1000000, "h_bucket{lane=\"x\",le=\"1\"} 1\nh_bucket{lane=\"x\",le=\"+Inf\"} 1\n"
                      "h_bucket{lane=\"y\",le=\"1\"} 0\nh_bucket{lane=\"y\",le=\"+Inf\"} 3\n");
    assert_true(is_about(1, top_quantile(&a, &b, "h", NULL, 0.25)));
    assert_true(is_about(1, top_quantile(&a, &b, "h", NULL, 0.99)));
    assert_true(is_about(0.5, top_quantile(&a, &b, "h", "lane=\"x\"", 0.5)));
}

/* What is seen: without what begins with an escape. */
static char *
plain(tb_str text)
{
    struct tb_buf out = TB_BUF_INIT;
    size_t        n;

    tb_buf_add(&out, TB_LIT(""));
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '\033')
            while (++i < text.n && strchr("mK", text.p[i]) == NULL)
                ;
        else
            tb_buf_add_char(&out, text.p[i]);
    }
    return tb_buf_take(&out, &n);
}

static char *
screen(size_t width, size_t height, bool has_colour, struct tb_buf *raw)
{
    const struct top_screen s = { .width = width, .height = height, .has_colour = has_colour, .title = "/var/lib/tombolo",
                                  .now = "09:00:00Z" };
    top_view_screen(&a, &b, &s, raw);
    return plain(tb_buf_str(raw));
}

static void
no_line_is_wider_and_there_are_no_more_than_the_terminal_has(void **state)
{
    static const struct { size_t width, height; } sizes[] = { { 80, 24 }, { 40, 8 }, { 1, 1 }, { 13, 3 }, { 300, 100 }, { 0, 0 } };
    (void)state;
    take(&a, 0, "tombolo_journal_writable 1\n");
    take(&b, 1000000, "tombolo_journal_writable 0\ntombolo_limit_hits_total{limit=\"live.typing\"} 7\n");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct tb_buf raw = TB_BUF_INIT;
        char         *text = screen(sizes[i].width, sizes[i].height, true, &raw), *line = text;
        size_t        n = 0;
        for (char *end; line[0] != '\0'; line = end + 2, n++) {
            end = strstr(line, "\r\n");
            size_t width = end != NULL ? (size_t)(end - line) : strlen(line);
            assert_true(width <= sizes[i].width);
            if (end == NULL) {
                n++;
                break;
            }
        }
        assert_true(n <= sizes[i].height);
        tb_free(text);
        tb_buf_fini(&raw);
    }
}

static void
what_is_bad_is_coloured_and_nothing_is_without_colours(void **state)
{
    struct tb_buf raw = TB_BUF_INIT;
    (void)state;
    take(&a, 0, "tombolo_journal_writable 0\n");
    take(&b, 1000000, "tombolo_journal_writable 0\ntombolo_limit_hits_total{limit=\"live.typing\"} 7\n"
                      "tombolo_sync_configured 1\ntombolo_sync_diverged 1\n");
    char *text = screen(80, 24, true, &raw);
    assert_non_null(strstr(raw.p, "\033[31mNOT WRITABLE\033[0m"));
    assert_non_null(strstr(raw.p, "\033[31mdiverged\033[0m"));
    assert_non_null(strstr(text, "limits hit   live.typing 7.0/s"));
    tb_free(text);
    tb_buf_clear(&raw);
    text = screen(80, 24, false, &raw);
    assert_non_null(strstr(text, "NOT WRITABLE"));
    for (const char *p = raw.p; (p = strchr(p, '\033')) != NULL; p++)
        assert_memory_equal("\033[K", p, 3);
    tb_free(text);
    tb_buf_fini(&raw);
}

static void
a_line_says_the_same_for_programs(void **state)
{
    struct tb_buf out = TB_BUF_INIT;
    (void)state;
    take(&a, 0, "tombolo_journal_ops_total 0\n");
    take(&b, 2000000, "tombolo_journal_ops_total 25\ntombolo_journal_writable 1\n");
    top_view_line(&a, &b, "2026-11-22T09:00:00.000Z", false, &out);
    assert_non_null(strstr(out.p, "2026-11-22T09:00:00.000Z connections=0 "));
    assert_non_null(strstr(out.p, " changesPerSecond=12.500 commitP50Ms=- "));
    assert_non_null(strstr(out.p, " sync=off "));
    tb_buf_clear(&out);
    top_view_line(&a, &b, "2026-11-22T09:00:00.000Z", true, &out);
    assert_non_null(strstr(out.p, "\"changesPerSecond\":12.500,\"commitP50Ms\":null,"));
    tb_buf_fini(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(values_are_found_by_name_and_label_and_added_up, forget),
        cmocka_unit_test_teardown(rates_are_of_a_second_and_none_is_below_nothing, forget),
        cmocka_unit_test_teardown(quantiles_are_of_what_came_between_the_two, forget),
        cmocka_unit_test_teardown(quantiles_of_several_labels_are_of_all_of_them_and_beyond_the_last_edge_of_it, forget),
        cmocka_unit_test_teardown(no_line_is_wider_and_there_are_no_more_than_the_terminal_has, forget),
        cmocka_unit_test_teardown(what_is_bad_is_coloured_and_nothing_is_without_colours, forget),
        cmocka_unit_test_teardown(a_line_says_the_same_for_programs, forget),
    };
    return tap_run(tests);
}
