/* The guard says the same however a connection's bytes are cut: the last byte says where, besides being the last byte. */
#include "net/guard.h"

#include <assert.h>

static const struct net_guard_limits limits = {
    .allow_http2 = true,
    .header_fields = 128,
    .header_bytes = 16384,
    .continuations = 8,
    .requests_ahead = 400,
    .resets_per_second = 50,
    .streams_per_second = 1000,
    .control_per_second = 50,
    .small_per_second = 500,
    .body_bytes = 1 << 20,
};

static enum net_guard_reason
feed(const uint8_t *data, size_t n, size_t step)
{
    struct net_guard *g = net_guard_new(&limits, false);
    enum net_guard_reason reason = NET_GUARD_FINE;

    for (size_t at = 0; at < n && reason == NET_GUARD_FINE; at += step) {
        size_t k = n - at < step ? n - at : step, n_good = k + 1;
        char *copy = tb_alloc(k);
        reason = net_guard_feed(g, memcpy(copy, data + at, k), k, 1000, &n_good);
        assert(reason == NET_GUARD_FINE ? n_good == k : n_good <= k);
        tb_free(copy);
    }
    net_guard_free(&g);
    return reason;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n == 0)
        return 0;
    enum net_guard_reason whole = feed(data, n, n), cut = feed(data, n, 1 + data[n - 1] % 16);
    assert(whole == cut);
    return 0;
}
