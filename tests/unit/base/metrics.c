/* Metrics: what is counted is what is written, in the form that Prometheus reads. */
#include "metrics.h"
#include "tap.h"

#include <pthread.h>

static const char *const whys[] = { "a", "b" };
static const char *const others[] = { "c" };
static const uint64_t    sizes[] = { 1, 4 }, times[] = { 500, 2500000 };

TB_COUNTER(plain, "tombolo_b_total", "Plain.");
TB_COUNTER_BY(late, "tombolo_d_total", "why", others, "In two places.");
TB_COUNTER_BY(labelled, "tombolo_d_total", "why", whys, "In two places.");
TB_SECONDS_COUNTER(spent, "tombolo_c_seconds_total", "Time.");
TB_GAUGE(level, "tombolo_e", "Level.");
TB_COUNTER_BY_BOTH(pairs, "tombolo_h_total", "why", whys, "what", others, "Pairs.");
TB_HISTOGRAM(batch, TB_UNIT_ONE, sizes, "tombolo_f_ops", "Sizes.");
TB_HISTOGRAM_BY(latency, TB_UNIT_US, times, "tombolo_g_seconds", "why", whys, "Times.");

static void
write_asked(const struct tb_metric *m, struct tb_buf *out)
{
    tb_metric_line(out, m->name, NULL, TB_UNIT_US, -1500000);
}
TB_ASKED(asked, TB_KIND_GAUGE, "tombolo_a_seconds", write_asked, "Asked.");

static int
reset(void **state)
{
    struct tb_metric *all[] = { &plain, &late, &labelled, &spent, &level, &batch, &latency };

    (void)state;
    for (size_t i = 0; i < TB_N(all); i++)
        for (size_t k = 0; k < all[i]->n * (all[i]->n_bounds ? all[i]->n_bounds + 2 : 1); k++)
            all[i]->cells[k] = 0;
    return 0;
}

static void
all_are_written_by_name_with_one_head_each(void **state)
{
    struct tb_buf out = TB_BUF_INIT;

    (void)state;
    tb_count(&plain, 0);
    tb_count_n(&labelled, 1, 41);
    tb_count(&late, 0);
    tb_count_n(&spent, 0, 1000001);
    tb_gauge_set(&level, 0, -3);
    tb_metrics_write(&out);
    assert_true(tb_str_starts(tb_buf_str(&out), TB_LIT(
                        "# HELP tombolo_a_seconds Asked.\n# TYPE tombolo_a_seconds gauge\ntombolo_a_seconds -1.500000\n"
                        "# HELP tombolo_b_total Plain.\n# TYPE tombolo_b_total counter\ntombolo_b_total 1\n"
                        "# HELP tombolo_c_seconds_total Time.\n# TYPE tombolo_c_seconds_total counter\n"
                        "tombolo_c_seconds_total 1.000001\n"
                        "# HELP tombolo_d_total In two places.\n# TYPE tombolo_d_total counter\n"
                        "tombolo_d_total{why=\"c\"} 1\ntombolo_d_total{why=\"a\"} 0\ntombolo_d_total{why=\"b\"} 41\n"
                        "# HELP tombolo_e Level.\n# TYPE tombolo_e gauge\ntombolo_e -3\n"
                        "# HELP tombolo_f_ops Sizes.\n")));
    tb_buf_fini(&out);
}

static void
a_value_on_a_bucket_s_edge_is_in_it(void **state)
{
    struct tb_buf out = TB_BUF_INIT;

    (void)state;
    for (uint64_t v = 0; v < 6; v++)
        tb_observe(&batch, 0, v);
    tb_observe(&latency, 1, 501);
    tb_observe(&latency, 1, UINT32_MAX);
    tb_metrics_write(&out);
    assert_non_null(strstr(out.p, "tombolo_f_ops_bucket{le=\"1\"} 2\ntombolo_f_ops_bucket{le=\"4\"} 5\n"
                                  "tombolo_f_ops_bucket{le=\"+Inf\"} 6\ntombolo_f_ops_sum 15\ntombolo_f_ops_count 6\n"));
    assert_non_null(strstr(out.p, "tombolo_g_seconds_bucket{why=\"b\",le=\"0.000500\"} 0\n"
                                  "tombolo_g_seconds_bucket{why=\"b\",le=\"2.500000\"} 1\n"
                                  "tombolo_g_seconds_bucket{why=\"b\",le=\"+Inf\"} 2\n"
                                  "tombolo_g_seconds_sum{why=\"b\"} 4294.967796\ntombolo_g_seconds_count{why=\"b\"} 2\n"));
    assert_non_null(strstr(out.p, "tombolo_g_seconds_count{why=\"a\"} 0\n"));
    tb_buf_fini(&out);
}

static void
pairs_are_written_once_they_have_happened(void **state)
{
    struct tb_buf out = TB_BUF_INIT;

    (void)state;
    tb_count_pair(&pairs, 1, 0);
    tb_metrics_write(&out);
    assert_non_null(strstr(out.p, "# TYPE tombolo_h_total counter\ntombolo_h_total{why=\"b\",what=\"c\"} 1\n"));
    tb_buf_fini(&out);
}

static void *
count_many(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100000; i++) {
        tb_count(&plain, 0);
        tb_observe(&batch, 0, 2);
    }
    return NULL;
}

static void
threads_lose_no_count(void **state)
{
    pthread_t     threads[4];
    struct tb_buf out = TB_BUF_INIT;

    (void)state;
    for (size_t i = 0; i < TB_N(threads); i++)
        assert_int_equal(0, pthread_create(&threads[i], NULL, count_many, NULL));
    for (size_t i = 0; i < TB_N(threads); i++)
        pthread_join(threads[i], NULL);
    tb_metrics_write(&out);
    assert_non_null(strstr(out.p, "tombolo_b_total 400000\n"));
    assert_non_null(strstr(out.p, "tombolo_f_ops_bucket{le=\"1\"} 0\ntombolo_f_ops_bucket{le=\"4\"} 400000\n"));
    assert_non_null(strstr(out.p, "tombolo_f_ops_sum 800000\n"));
    tb_buf_fini(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(all_are_written_by_name_with_one_head_each, reset),
        cmocka_unit_test_setup(a_value_on_a_bucket_s_edge_is_in_it, reset),
        cmocka_unit_test(pairs_are_written_once_they_have_happened),
        cmocka_unit_test_setup(threads_lose_no_count, reset),
    };
    return tap_run(tests);
}
