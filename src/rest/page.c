/* See page.h. */
#include "rest/page.h"

#include "base/scan.h"
#include "rest/exchange.h"
#include "rest/path.h"

#define TEXT TB_LIT("text/plain; charset=utf-8")

/* Nothing but its own files and its own server, no script or style in the text, and no other page may frame it.
 * 'self' takes in WebSockets to where the page came from. Text that is to become markup is refused by the browser itself. */
#define POLICY \
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " \
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'; " \
    "require-trusted-types-for 'script'; trusted-types 'none'"

static const struct page_file *
find(const struct page_file *files, tb_str path)
{
    bool is_index = tb_str_eq(path, TB_LIT("/app"));

    for (; files->path != NULL; files++)
        if (tb_str_eq(is_index ? TB_LIT("/app/") : path, tb_str_of(files->path)))
            return files;
    return NULL;
}

static void
answer_file(struct rest_exchange *x, const struct page_file *f)
{
    bool   is_index = tb_str_eq(tb_str_of(f->path), TB_LIT("/app/"));
    bool   is_known = rest_lists(net_request_header(x->http, TB_LIT("if-none-match")), tb_str_of(f->etag));
    bool   is_gzip = rest_lists(net_request_header(x->http, TB_LIT("accept-encoding")), TB_LIT("gzip"));
    tb_str keep = is_index ? TB_LIT("no-cache") : TB_LIT("public, max-age=31536000, immutable");
    const struct net_header headers[] = {
        { TB_LIT("cache-control"), keep },
        { TB_LIT("etag"), tb_str_of(f->etag) },
        { TB_LIT("vary"), TB_LIT("accept-encoding") },
        { TB_LIT("content-security-policy"), TB_LIT(POLICY) },
        { TB_LIT("x-content-type-options"), TB_LIT("nosniff") },
        { TB_LIT("referrer-policy"), TB_LIT("no-referrer") },
        { TB_LIT("cross-origin-resource-policy"), TB_LIT("same-origin") },
        { TB_LIT("content-encoding"), TB_LIT("gzip") },     /* last: left off when it is not */
    };
    size_t n = sizeof headers / sizeof *headers;

    rest_respond(x, &(struct net_response){
        .status = is_known ? 304 : 200, .content_type = tb_str_of(f->type),
        .body = is_known ? TB_LIT("") : is_gzip ? f->gzip : f->plain,
        .headers = headers, .n_headers = is_gzip && !is_known ? n : n - 1, .without_cors = true });
}

void
page_start(struct rest_exchange *x)
{
    const struct page_file *files = x->rest->settings.page, *f;

    if (files == NULL)
        rest_answer(x, 404, TEXT, TB_LIT("The page is switched off here (server.app = no).\n"));
    else if (files->path == NULL)
        rest_answer(x, 404, TEXT, TB_LIT("The page is not in this program: npm could not be reached when it was built.\n"));
    else if ((f = find(files, x->http->path)) == NULL)
        rest_answer(x, 404, TEXT, TB_LIT("There is no such file; the page itself is at /app/.\n"));
    else
        answer_file(x, f);
}
