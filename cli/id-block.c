/*
 * postern id-block: ID block and ID authentication for one launch digest, or for each row of a manifest, as QEMU takes
 * them. What it makes it parses and verifies again before it prints it.
 */
#include "cli/cli.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/file.h"
#include "base/key.h"
#include "base/log.h"
#include "base/secret.h"
#include "cli/inputs.h"
#include "cli/manifest-file.h"
#include "measure/id-block.h"

struct request {
    const char *id_key_path, *author_key_path, *measurement, *manifest;
    const char *family_id, *image_id, *id_file, *auth_file;
    struct inputs inputs; /* of a launch to be measured; vCPUs and type also choose rows */
    bool vcpus_given;
    uint64_t policy, svn;
    bool json;
    EVP_PKEY *id_key, *author_key;
    struct id_block block; /* all but the digest */
};

/* The text of one ID block, as QEMU takes it. */
struct made {
    char block[BASE64_TEXT_BYTES(ID_BLOCK_BYTES)];
    char auth[BASE64_TEXT_BYTES(ID_AUTH_BYTES)];
    struct id_digests digests;
};

static int make(const struct request *q, const uint8_t digest[LAUNCH_DIGEST_BYTES], struct made *ret_made,
                struct reason *why)
{
    uint8_t block_bytes[ID_BLOCK_BYTES], auth_bytes[ID_AUTH_BYTES];
    struct id_block block = q->block;
    int r;

    memcpy(block.digest, digest, LAUNCH_DIGEST_BYTES);
    id_block_encode(&block, block_bytes);
    r = id_auth_make(block_bytes, q->id_key, q->author_key, auth_bytes);
    if (r == 0)
        r = id_auth_verify(block_bytes, sizeof(block_bytes), auth_bytes, sizeof(auth_bytes), &ret_made->digests, why);
    if (r < 0)
        return r;
    (void)base64_encode(BASE64_STANDARD, block_bytes, sizeof(block_bytes), ret_made->block);
    (void)base64_encode(BASE64_STANDARD, auth_bytes, sizeof(auth_bytes), ret_made->auth);
    return 0;
}

static void print_json(const struct request *q, const struct made *made, const uint8_t digest[LAUNCH_DIGEST_BYTES],
                       const struct manifest_row *row)
{
    char text[HEX_TEXT_BYTES(SHA384_BYTES)];

    hex_encode(digest, LAUNCH_DIGEST_BYTES, text);
    printf("{\"measurement\":\"%s\"", text);
    if (row)
        printf(",\"vmm\":\"%s\",\"vcpus\":%u,\"guest_features\":%" PRIu64, vmm_name(row->vmm), row->vcpus,
               row->features);
    if (row && row->cpu)
        printf(",\"vcpu_type\":\"%s\",\"vcpu_sig\":%u", row->cpu->name, row->cpu->signature);
    printf(",\"policy\":%" PRIu64 ",\"guest_svn\":%u,\"id_block\":\"%s\",\"id_auth\":\"%s\"", q->block.policy,
           q->block.guest_svn, made->block, made->auth);
    hex_encode(made->digests.id_key, SHA384_BYTES, text);
    printf(",\"id_key_digest\":\"%s\"", text);
    hex_encode(made->digests.author_key, SHA384_BYTES, text);
    if (q->author_key)
        printf(",\"author_key_digest\":\"%s\"", text);
    puts("}");
}

static void print_words(const struct request *q, const struct made *made)
{
    printf("id-block=%s,id-auth=%s,author-key-enabled=%s,policy=0x%" PRIx64 "\n", made->block, made->auth,
           q->author_key ? "on" : "off", q->block.policy);
}

static void print_key_digests(const struct request *q, const struct made *made)
{
    char text[HEX_TEXT_BYTES(SHA384_BYTES)];

    hex_encode(made->digests.id_key, SHA384_BYTES, text);
    printf("id_key_digest: %s\n", text);
    hex_encode(made->digests.author_key, SHA384_BYTES, text);
    if (q->author_key)
        printf("author_key_digest: %s\n", text);
}

/* 96 hexadecimal digits, with 0x or without, or 64 characters of base64. */
static int parse_measurement(const char *text, uint8_t digest[LAUNCH_DIGEST_BYTES], struct reason *why)
{
    size_t size = 0;

    if (strncmp(text, "0x", 2) == 0)
        text += 2;
    if (hex_decode(text, strlen(text), digest, LAUNCH_DIGEST_BYTES) == 0)
        return 0;
    if (base64_decode(BASE64_STANDARD, text, strlen(text), digest, LAUNCH_DIGEST_BYTES, &size) == 0 &&
        size == LAUNCH_DIGEST_BYTES)
        return 0;
    return reason_set(why, -EINVAL, "--measurement: \"%s\" is no launch digest, expected 96 hexadecimal digits or 64 "
                      "characters of base64", text);
}

/* 16 characters, as snpguest takes them, or 32 hexadecimal digits. */
static int parse_name(const char *option, const char *text, uint8_t to[ID_NAME_BYTES], struct reason *why)
{
    if (strlen(text) == ID_NAME_BYTES) {
        memcpy(to, text, ID_NAME_BYTES);
        return 0;
    }
    if (hex_decode(text, strlen(text), to, ID_NAME_BYTES) == 0)
        return 0;
    return reason_set(why, -EINVAL, "--%s: \"%s\" has %zu characters, expected 16 characters or 32 hexadecimal digits",
                      option, text, strlen(text));
}

static int prepare(struct request *q, struct reason *why)
{
    int r = id_policy_check(q->policy, why);

    if (r < 0)
        reason_prefix(why, "--policy");
    q->block.policy = q->policy;
    q->block.guest_svn = (uint32_t)q->svn;
    if (r == 0 && q->family_id)
        r = parse_name("family-id", q->family_id, q->block.family_id, why);
    if (r == 0 && q->image_id)
        r = parse_name("image-id", q->image_id, q->block.image_id, why);
    if (r == 0)
        r = key_read_private(q->id_key_path, KEY_P384, &q->id_key, why);
    if (r == 0 && q->author_key_path)
        r = key_read_private(q->author_key_path, KEY_P384, &q->author_key, why);
    return r;
}

static int one(const struct request *q, const uint8_t digest[LAUNCH_DIGEST_BYTES], struct reason *why)
{
    struct made made;
    int r = make(q, digest, &made, why);

    if (r == 0 && q->id_file)
        r = file_write(q->id_file, 0644, made.block, strlen(made.block), why);
    if (r < 0)
        return r;
    if (q->auth_file)
        r = file_write(q->auth_file, 0644, made.auth, strlen(made.auth), why);
    if (r < 0) {
        if (q->id_file)
            (void)unlink(q->id_file);
        return r;
    }
    if (q->json) {
        print_json(q, &made, digest, NULL);
        return 0;
    }
    print_words(q, &made);
    print_key_digests(q, &made);
    return 0;
}

static bool is_wanted(const struct request *q, const struct manifest_row *row)
{
    const char *type = q->inputs.vcpu_type;

    return (!q->vcpus_given || q->inputs.vcpus == row->vcpus) &&
           (!type || (row->cpu && strcmp(type, row->cpu->name) == 0));
}

static int each_row(const struct request *q, struct reason *why)
{
    CLEANUP_MANIFEST_FILE struct manifest_file_read file = MANIFEST_FILE_NONE;
    struct made made;
    size_t count = 0;
    int r = manifest_file_read(q->manifest, &file, why);

    for (size_t i = 0; r == 0 && i < file.manifest->row_count; i++) {
        struct manifest_row row = manifest_plan_row(&file.manifest->plan, i);

        if (!is_wanted(q, &row))
            continue;
        r = make(q, file.manifest->digests[i], &made, why);
        if (r < 0)
            break;
        if (q->json) {
            print_json(q, &made, file.manifest->digests[i], &row);
        } else {
            printf("%s %s vcpus=%u features=0x%" PRIx64 " ", vmm_name(row.vmm), row.cpu ? row.cpu->name : "any",
                   row.vcpus, row.features);
            print_words(q, &made);
        }
        count++;
    }
    if (r == 0 && !count)
        r = reason_set(why, -ENOENT, "%s: has no such row", q->manifest);
    if (r == 0 && !q->json)
        print_key_digests(q, &made);
    return r;
}

static int check(const struct request *q, struct reason *why)
{
    const struct inputs *in = &q->inputs;

    if (!!q->measurement + !!q->manifest + !!in->firmware != 1)
        return reason_set(why, -EINVAL, "one of --measurement, --manifest and --ovmf says which launches are meant");
    if (q->manifest && (q->id_file || q->auth_file))
        return reason_set(why, -EINVAL, "--%s with --manifest: one file has no room for many ID blocks",
                          q->id_file ? "id-file" : "auth-file");
    if (!in->firmware && (in->kernel || in->initrd || in->append || in->vcpu_signature))
        return reason_set(why, -EINVAL, "--kernel, --initrd, --append and --vcpu-sig go with --ovmf");
    if (q->measurement && (q->vcpus_given || in->vcpu_type))
        return reason_set(why, -EINVAL, "--%s with --measurement: the digest is of one launch already",
                          q->vcpus_given ? "vcpus" : "vcpu-type");
    return 0;
}

static int find_digest(const struct request *q, uint8_t digest[LAUNCH_DIGEST_BYTES], struct reason *why)
{
    CLEANUP(inputs_free) struct inputs_measured measured = INPUTS_MEASURED_NONE;
    int r;

    if (q->measurement)
        return parse_measurement(q->measurement, digest, why);
    if (!q->inputs.firmware)
        return 0;
    r = inputs_measure(&q->inputs, &measured, why);
    if (r == 0)
        memcpy(digest, measured.digest, LAUNCH_DIGEST_BYTES);
    return r;
}

static int work(struct request *q, struct reason *why)
{
    uint8_t digest[LAUNCH_DIGEST_BYTES];
    int r = check(q, why);

    if (r == 0)
        r = find_digest(q, digest, why);
    if (r == 0)
        r = prepare(q, why);
    if (r < 0)
        return r;
    if (q->policy & ID_POLICY_DEBUG)
        log_info("--policy 0x%" PRIx64 " allows debugging: the host can read such a guest", q->policy);
    return q->manifest ? each_row(q, why) : one(q, digest, why);
}

static int answer(struct request *q)
{
    struct reason why = { "" };
    int r = secret_library_init();

    if (r == 0)
        r = work(q, &why);
    key_free(&q->id_key);
    key_free(&q->author_key);
    if (r < 0)
        log_error("%s", reason_text(&why, r));
    return r < 0 ? COMMAND_MISUSE : COMMAND_OK;
}

/* snpguest's words for the same. */
static int run_generate(const struct command *command, int argc, char **argv)
{
    struct request q = { .policy = ID_POLICY_DEFAULT, .inputs = INPUTS_DEFAULT };
    const char *words[3] = { NULL };
    uint64_t version = 1;
    const struct option_row rows[] = {
        OPTION("family-id", "HEX", "32 hexadecimal digits, or 16 characters", OPTION_TEXT, &q.family_id, .letter = 'f'),
        OPTION("image-id", "HEX", "the same", OPTION_TEXT, &q.image_id, .letter = 'm'),
        OPTION("version", "N", "of the ID block: 1", OPTION_U64, &version, .letter = 'v', .min = 1, .max = 1),
        OPTION("svn", "N", "security version of the guest (default 0)", OPTION_U64, &q.svn, .letter = 's',
               .max = UINT32_MAX),
        OPTION("policy", "N", "guest policy (default 0x30000)", OPTION_U64, &q.policy, .letter = 'p'),
        OPTION("id-file", "FILE", "also write the ID block there, in base64", OPTION_TEXT, &q.id_file, .letter = 'i'),
        OPTION("auth-file", "FILE", "also write the ID authentication there", OPTION_TEXT, &q.auth_file,
               .letter = 'a'),
    };
    int r = command_options(command, rows, ARRAY_SIZE(rows), argc, argv, words, ARRAY_SIZE(words));

    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    if (!words[2]) {
        log_error("%s is missing; usage: postern generate id-block ID-KEY AUTHOR-KEY DIGEST",
                  words[1] ? "the launch digest" : words[0] ? "the author key" : "the ID key");
        return COMMAND_MISUSE;
    }
    q.id_key_path = words[0];
    q.author_key_path = words[1];
    q.measurement = words[2];
    return answer(&q);
}

static int run(const struct command *command, int argc, char **argv)
{
    struct request q = { .policy = ID_POLICY_DEFAULT, .inputs = INPUTS_DEFAULT };
    const struct option_row rows[] = {
        OPTION("idkey", "FILE", "the key that signs the ID block: private, P-384", OPTION_TEXT, &q.id_key_path,
               .required = true),
        OPTION("authorkey", "FILE", "the key that signs the ID key, if there is one", OPTION_TEXT, &q.author_key_path),
        OPTION("measurement", "DIGEST", "launch digest, hexadecimal or base64", OPTION_TEXT, &q.measurement),
        OPTION("manifest", "FILE", "instead: one for each row of this manifest", OPTION_TEXT, &q.manifest),
        OPTION("ovmf", "FILE", "instead: measure this firmware, and", OPTION_TEXT, &q.inputs.firmware),
        OPTION("kernel", "FILE", "this kernel,", OPTION_TEXT, &q.inputs.kernel),
        OPTION("initrd", "FILE", "this initrd,", OPTION_TEXT, &q.inputs.initrd),
        OPTION("append", "TEXT", "this command line", OPTION_TEXT, &q.inputs.append, .may_be_empty = true),
        OPTION("vcpus", "N", "for N virtual CPUs; of a manifest, the rows with N", OPTION_U64, &q.inputs.vcpus,
               .min = 1, .max = VCPUS_MAX, .given = &q.vcpus_given),
        OPTION("vcpu-type", "NAME", "of this CPU type; of a manifest, its rows", OPTION_TEXT, &q.inputs.vcpu_type),
        OPTION("vcpu-sig", "N", "CPUID signature instead of a type", OPTION_TEXT, &q.inputs.vcpu_signature),
        OPTION("guest-features", "N", "SEV_FEATURES to measure (default 0x1)", OPTION_U64, &q.inputs.features),
        OPTION("policy", "N", "guest policy (default 0x30000)", OPTION_U64, &q.policy),
        OPTION("svn", "N", "security version of the guest (default 0)", OPTION_U64, &q.svn, .max = UINT32_MAX),
        OPTION("family-id", "TEXT", "16 characters, or 32 hexadecimal digits", OPTION_TEXT, &q.family_id),
        OPTION("image-id", "TEXT", "the same", OPTION_TEXT, &q.image_id),
        OPTION("id-file", "FILE", "also write the ID block there, in base64", OPTION_TEXT, &q.id_file),
        OPTION("auth-file", "FILE", "also write the ID authentication there", OPTION_TEXT, &q.auth_file),
        OPTION("json", NULL, "a JSON object for each digest, one a line", OPTION_FLAG, &q.json),
    };
    int r = command_options(command, rows, ARRAY_SIZE(rows), argc, argv, NULL, 0);

    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    return answer(&q);
}

const struct command verb_generate_id_block = {
    .program = "postern",
    .name = "generate id-block",
    .summary = "`postern id-block` with snpguest's words.",
    .usage = "ID-KEY AUTHOR-KEY DIGEST [OPTION…]",
    .example = "  postern generate id-block id.key author.key 0xd1… --svn 3 --id-file id-block --auth-file id-auth\n",
    .run = run_generate,
};

const struct command verb_id_block = {
    .program = "postern",
    .name = "id-block",
    .summary = "Signs which launch is yours: ID block and ID authentication for QEMU.",
    .usage = "--idkey FILE (--measurement DIGEST | --manifest FILE | --ovmf FILE …) [OPTION…]",
    .example = "  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp384r1 -out id.key\n"
               "  postern id-block --idkey id.key --svn 3 --ovmf firmware.fd --kernel kernel --initrd initrd \\\n"
               "      --append \"$(cat cmdline)\" --vcpus 2 --vcpu-type EPYC-v4\n"
               "  postern id-block --idkey id.key --svn 3 --manifest manifest.json --json >id-blocks.jsonl\n",
    .run = run,
};
