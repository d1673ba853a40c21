/* Options; whoever starts the program writes them. One wrong option is one sentence. */
#include "psp/options.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <strings.h>

#include "base/encode.h"

enum option_id {
    OPTION_DIR = 1,
    OPTION_PRODUCT,
    OPTION_HELP,
    OPTION_SOCKET,
    OPTION_LISTEN_FD,
    OPTION_REQUEST_LOG,
    OPTION_MEASUREMENT,
    OPTION_POLICY,
    OPTION_HOST_DATA,
    OPTION_FAMILY_ID,
    OPTION_IMAGE_ID,
    OPTION_GUEST_SVN,
    OPTION_ID_KEY_DIGEST,
    OPTION_AUTHOR_KEY_DIGEST,
    OPTION_NO_CERTIFICATES,
    OPTION_REPORT_VERSION,
};

static const struct option init_table[] = {
    { "dir", required_argument, NULL, OPTION_DIR },
    { "product", required_argument, NULL, OPTION_PRODUCT },
    { "help", no_argument, NULL, OPTION_HELP },
    { NULL, 0, NULL, 0 },
};

static const struct option serve_table[] = {
    { "dir", required_argument, NULL, OPTION_DIR },
    { "socket", required_argument, NULL, OPTION_SOCKET },
    { "listen-fd", required_argument, NULL, OPTION_LISTEN_FD },
    { "request-log", required_argument, NULL, OPTION_REQUEST_LOG },
    { "measurement", required_argument, NULL, OPTION_MEASUREMENT },
    { "policy", required_argument, NULL, OPTION_POLICY },
    { "host-data", required_argument, NULL, OPTION_HOST_DATA },
    { "family-id", required_argument, NULL, OPTION_FAMILY_ID },
    { "image-id", required_argument, NULL, OPTION_IMAGE_ID },
    { "guest-svn", required_argument, NULL, OPTION_GUEST_SVN },
    { "id-key-digest", required_argument, NULL, OPTION_ID_KEY_DIGEST },
    { "author-key-digest", required_argument, NULL, OPTION_AUTHOR_KEY_DIGEST },
    { "no-certificates", no_argument, NULL, OPTION_NO_CERTIFICATES },
    { "report-version", required_argument, NULL, OPTION_REPORT_VERSION },
    { "help", no_argument, NULL, OPTION_HELP },
    { NULL, 0, NULL, 0 },
};

#define DEFAULT_POLICY (GUEST_POLICY_SMT | GUEST_POLICY_RESERVED_ONE)

struct parse {
    const char *verb;
    const struct option *table;
    uint64_t seen; /* one bit for each option */
    struct reason *why;
};

/* What getopt_long() did not like; optopt is a letter, one of our ids, or 0 for a long option that nobody knows. */
static int refuse_option(const struct parse *p, int id, const char *text)
{
    if (optopt >= ' ')
        return reason_set(p->why, -EINVAL, "unknown option \"-%c\"; see postern-psp %s --help", optopt, p->verb);
    if (id == ':')
        return reason_set(p->why, -EINVAL, "option \"%s\" needs a value; see postern-psp %s --help", text, p->verb);
    if (optopt)
        return reason_set(p->why, -EINVAL, "option \"%s\" takes no value; see postern-psp %s --help", text, p->verb);
    return reason_set(p->why, -EINVAL, "unknown option \"%s\"; see postern-psp %s --help", text, p->verb);
}

/* The next option's id, 0 at the end. Names, missing values and repetitions are checked. */
static int next_option(struct parse *p, int argc, char **argv)
{
    int index = 0, id = getopt_long(argc, argv, ":", p->table, &index);

    if (id == -1 && optind < argc)
        return reason_set(p->why, -EINVAL, "unexpected argument \"%s\"; see postern-psp %s --help", argv[optind],
                          p->verb);
    if (id == -1)
        return 0;
    if (id == ':' || id == '?')
        return refuse_option(p, id, argv[optind - 1]);
    if (p->seen & UINT64_C(1) << id)
        return reason_set(p->why, -EINVAL, "option --%s is given twice", p->table[index].name);
    p->seen |= UINT64_C(1) << id;
    return id;
}

static int need(const struct parse *p, enum option_id id, const char *name)
{
    if (p->seen & UINT64_C(1) << id)
        return 0;
    return reason_set(p->why, -EINVAL, "option %s is missing; see postern-psp %s --help", name, p->verb);
}

/* The value of a digit, 99 for anything else. */
static unsigned digit(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    if (c >= 'a' && c <= 'f')
        return (unsigned)(c - 'a') + 10;
    if (c >= 'A' && c <= 'F')
        return (unsigned)(c - 'A') + 10;
    return 99;
}

/* Decimal, or hexadecimal behind 0x; digits alone, where strtoull() would also take spaces, signs and a second 0x. */
static int take_number(const char *name, const char *text, uint64_t min, uint64_t max, uint64_t *ret_value,
                       struct reason *why)
{
    bool hex = strncasecmp(text, "0x", 2) == 0;
    const char *p = hex ? text + 2 : text;
    unsigned base = hex ? 16 : 10;
    uint64_t value = 0;
    bool ok = *p;

    for (; ok && *p; p++)
        ok = digit(*p) < base && !__builtin_mul_overflow(value, base, &value) &&
             !__builtin_add_overflow(value, digit(*p), &value);
    if (!ok || value < min || value > max)
        return reason_set(why, -EINVAL,
                          "--%s \"%s\": expected a number from %llu to %llu, decimal or 0x and hexadecimal", name, text,
                          (unsigned long long)min, (unsigned long long)max);
    *ret_value = value;
    return 0;
}

static int take_hex(const char *name, const char *text, void *ret_data, size_t size, struct reason *why)
{
    size_t length = strlen(text);

    if (hex_decode(text, length, ret_data, size) == 0)
        return 0;
    if (length != 2 * size)
        return reason_set(why, -EINVAL, "--%s: %zu characters, expected %zu hexadecimal digits (%zu bytes)", name,
                          length, 2 * size, size);
    return reason_set(why, -EINVAL, "--%s: something else than hexadecimal digits in \"%s\"", name, text);
}

static int take_directory(char *text, const char **ret_directory, struct reason *why)
{
    size_t length = strlen(text);

    while (length > 1 && text[length - 1] == '/')
        text[--length] = '\0';
    if (!length)
        return reason_set(why, -EINVAL, "--dir: expected the name of a directory, found nothing");
    *ret_directory = text;
    return 0;
}

static int take_product(const char *text, enum product *ret_product, struct reason *why)
{
    for (enum product product = PRODUCT_MILAN; product <= PRODUCT_TURIN; product++)
        if (strcasecmp(text, product_name(product)) == 0) {
            *ret_product = product;
            return 0;
        }
    return reason_set(why, -EINVAL, "--product \"%s\": expected Milan, Genoa or Turin", text);
}

int options_parse_init(int argc, char **argv, struct init_options *ret_options, struct reason *why)
{
    struct parse p = { .verb = "init", .table = init_table, .why = why };
    struct init_options options = { .product = PRODUCT_GENOA };
    int r = 0, id;

    optind = 0; /* starts getopt_long() afresh */
    while (r == 0 && (id = next_option(&p, argc, argv)) != 0) {
        if (id < 0)
            return id;
        if (id == OPTION_HELP)
            return 1;
        r = id == OPTION_DIR ? take_directory(optarg, &options.directory, why) :
                               take_product(optarg, &options.product, why);
    }
    if (r == 0)
        r = need(&p, OPTION_DIR, "--dir");
    if (r < 0)
        return r;
    *ret_options = options;
    return 0;
}

/* Options with a number. */
static int take_serve_number(int id, const char *text, struct serve_options *options, struct reason *why)
{
    uint64_t value = 0;
    int r;

    switch (id) {
    case OPTION_POLICY:
        r = take_number("policy", text, 0, UINT64_MAX, &options->launch.policy, why);
        return r < 0 ? r : firmware_check_policy(options->launch.policy, why);
    case OPTION_GUEST_SVN:
        r = take_number("guest-svn", text, 0, UINT32_MAX, &value, why);
        options->launch.guest_svn = (uint32_t)value;
        return r;
    case OPTION_REPORT_VERSION:
        r = take_number("report-version", text, 2, 5, &value, why);
        options->launch.report_version = (uint32_t)value;
        return r;
    default:
        r = take_number("listen-fd", text, 0, INT32_MAX, &value, why);
        options->listen_fd = (int)value;
        return r;
    }
}

static int take_serve_option(int id, char *text, struct serve_options *options, struct reason *why)
{
    struct launch *launch = &options->launch;

    switch (id) {
    case OPTION_DIR:
        return take_directory(text, &options->directory, why);
    case OPTION_SOCKET:
        options->socket_path = text;
        return 0;
    case OPTION_REQUEST_LOG:
        options->request_log = text;
        return 0;
    case OPTION_NO_CERTIFICATES:
        launch->certificates = false;
        return 0;
    case OPTION_MEASUREMENT:
        return take_hex("measurement", text, launch->measurement, sizeof(launch->measurement), why);
    case OPTION_HOST_DATA:
        return take_hex("host-data", text, launch->host_data, sizeof(launch->host_data), why);
    case OPTION_FAMILY_ID:
        return take_hex("family-id", text, launch->family_id, sizeof(launch->family_id), why);
    case OPTION_IMAGE_ID:
        return take_hex("image-id", text, launch->image_id, sizeof(launch->image_id), why);
    case OPTION_ID_KEY_DIGEST:
        return take_hex("id-key-digest", text, launch->id_key_digest, sizeof(launch->id_key_digest), why);
    case OPTION_AUTHOR_KEY_DIGEST:
        launch->has_author_key = true;
        return take_hex("author-key-digest", text, launch->author_key_digest, sizeof(launch->author_key_digest), why);
    default:
        return take_serve_number(id, text, options, why);
    }
}

int options_parse_serve(int argc, char **argv, struct serve_options *ret_options, struct reason *why)
{
    struct parse p = { .verb = "serve", .table = serve_table, .why = why };
    struct serve_options options = {
        .listen_fd = -1,
        .launch = { .policy = DEFAULT_POLICY, .report_version = 3, .certificates = true },
    };
    int r = 0, id;

    optind = 0;
    while (r == 0 && (id = next_option(&p, argc, argv)) != 0) {
        if (id < 0)
            return id;
        if (id == OPTION_HELP)
            return 1;
        r = take_serve_option(id, optarg, &options, why);
    }
    if (r == 0)
        r = need(&p, OPTION_DIR, "--dir");
    if (r == 0)
        r = need(&p, OPTION_MEASUREMENT, "--measurement");
    if (r < 0)
        return r;
    if (!options.socket_path == (options.listen_fd < 0))
        return reason_set(why, -EINVAL, "expected one of --socket and --listen-fd, found %s",
                          options.socket_path ? "both" : "neither");
    *ret_options = options;
    return 0;
}
