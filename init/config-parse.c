/* The guest's configuration: measured, so its author is the image's builder; read as strictly as anything else. */
#include "init/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/json.h"
#include "init/config-read.h"

#define DEADLINE_DEFAULT_S 120u
#define DEADLINE_MOST_S 3600u
#define BUILD_EPOCH_MOST_S 4102444800u /* the year 2100 */

void config_read_word(struct json_reader *reader, const char *name, const char *characters, char *ret_text,
                      size_t room)
{
    const char *text = NULL;

    if (!json_read_string(reader, name, JSON_REQUIRED, room - 1, &text))
        return;
    if (!*text || text[strspn(text, characters)])
        json_refuse(reader, name, "\"%s\" is empty or has other characters than %s", text, characters);
    else
        memcpy(ret_text, text, strlen(text) + 1);
}

bool config_path_is_plain(const char *path)
{
    if (*path != '/')
        return false;
    while (*path == '/') {
        size_t part = strcspn(++path, "/");

        if (!part || (part == 1 && path[0] == '.') || (part == 2 && path[0] == '.' && path[1] == '.'))
            return false;
        path += part;
    }
    return true;
}

void config_read_path(struct json_reader *reader, const char *name, char *ret_path, size_t room)
{
    config_read_word(reader, name, PATH_CHARACTERS, ret_path, room);
    if (!reader->status->error && !config_path_is_plain(ret_path))
        json_refuse(reader, name, "\"%s\" is not an absolute path in its plain form", ret_path);
}

static void read_expect(struct json_reader *parent, struct policy *to)
{
    struct json_reader reader;

    if (json_read_object(parent, "expect", JSON_OPTIONAL, &reader))
        policy_read_expectations(&reader, to);
}

/* What the format leaves open and this version does not: block size and hash are stated and have to be these. */
static void read_verity_constants(struct json_reader *reader)
{
    const char *hash = NULL;
    uint64_t block = 0;

    (void)json_read_u64(reader, "block_size", JSON_REQUIRED, VERITY_BLOCK_BYTES, VERITY_BLOCK_BYTES, &block);
    if (json_read_string(reader, "hash", JSON_REQUIRED, 16, &hash) && strcmp(hash, "sha256") != 0)
        json_refuse(reader, "hash", "expected \"sha256\", found \"%s\"", hash);
}

static void read_salt(struct json_reader *reader, struct verity_tree *tree)
{
    const char *text = NULL;

    if (!json_read_string(reader, "salt", JSON_REQUIRED, 2 * VERITY_MAX_SALT_BYTES, &text))
        return;
    tree->salt_size = strlen(text) / 2;
    if (hex_decode(text, strlen(text), tree->salt, tree->salt_size) < 0)
        json_refuse(reader, "salt", "expected up to %u bytes in hexadecimal", VERITY_MAX_SALT_BYTES);
}

/* "pci-0000:00:05.0", lower-case as the kernel writes it. */
static bool is_pci_place(const char *text)
{
    static const char pattern[] = "pci-xxxx:xx:xx.x";

    for (size_t i = 0; i < sizeof(pattern) - 1; i++) {
        bool digit = (text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f');

        if (pattern[i] == 'x' ? !digit : text[i] != pattern[i])
            return false;
    }
    return text[sizeof(pattern) - 1] == '\0';
}

void config_read_device(struct json_reader *reader, char ret_device[CONFIG_MAX_DEVICE_BYTES + 1])
{
    config_read_word(reader, "device", NAME_CHARACTERS ":.", ret_device, CONFIG_MAX_DEVICE_BYTES + 1);
    if (!reader->status->error && strpbrk(ret_device, ":.") && !is_pci_place(ret_device))
        json_refuse(reader, "device", "\"%s\" is neither a serial of a-z, 0-9 and - nor like pci-0000:00:05.0",
                    ret_device);
}

void config_read_offset(struct json_reader *reader, uint64_t *ret_offset)
{
    (void)json_read_u64(reader, "offset", JSON_OPTIONAL, 0, INT64_MAX / 2, ret_offset);
    if (!reader->status->error && *ret_offset % 4096)
        json_refuse(reader, "offset", "%llu is no multiple of 4096", (unsigned long long)*ret_offset);
}

void config_read_tree(struct json_reader *reader, struct verity_tree *tree)
{
    config_read_offset(reader, &tree->offset);
    read_verity_constants(reader);
    (void)json_read_u64(reader, "data_blocks", JSON_REQUIRED, 1, UINT32_MAX, &tree->data_blocks);
    (void)json_read_u64(reader, "hash_start_block", JSON_REQUIRED, 1, UINT32_MAX, &tree->hash_start_block);
    read_salt(reader, tree);
    (void)json_read_hex(reader, "root_hash", JSON_REQUIRED, tree->root_hash, sizeof(tree->root_hash));
}

/* A part that may take longer than the whole would be cut short without a word. */
static void read_deadlines(struct json_reader *reader, struct config *to)
{
    uint64_t all_s = DEADLINE_DEFAULT_S, release_s;

    (void)json_read_u64(reader, "deadline_s", JSON_OPTIONAL, 1, DEADLINE_MOST_S, &all_s);
    release_s = all_s;
    (void)json_read_u64(reader, "release_deadline_s", JSON_OPTIONAL, 1, all_s, &release_s);
    to->deadline_ms = all_s * 1000;
    to->release_deadline_ms = release_s * 1000;
}

static void read_root(struct json_reader *parent, struct config_root *to)
{
    struct json_reader reader;

    if (!json_read_object(parent, "root", JSON_REQUIRED, &reader))
        return;
    to->tree.name = "root";
    config_read_device(&reader, to->device);
    config_read_tree(&reader, &to->tree);
    json_read_done(&reader);
}

int config_parse(const void *text, size_t size, struct config *ret_config, struct reason *why)
{
    CLEANUP(config_free) struct config config = { .broker_count = 0 };
    CLEANUP_JSON struct json_object *root = NULL;
    struct json_status status = { 0, why };
    struct json_reader reader;
    uint64_t version = 0;
    int r = json_parse(text, size, CONFIG_MAX_BYTES, &root, why);

    if (r < 0)
        return r;
    config.brokers = calloc(CONFIG_MAX_BROKERS, sizeof(*config.brokers));
    if (!config.brokers)
        return -ENOMEM;
    json_read_root(root, &status, &reader);
    (void)json_read_u64(&reader, "version", JSON_REQUIRED, 1, 1, &version);
    config_read_brokers(&reader, &config);
    read_deadlines(&reader, &config);
    (void)json_read_u64(&reader, "build_epoch", JSON_OPTIONAL, 0, BUILD_EPOCH_MOST_S, &config.build_epoch);
    config_read_network(&reader, config.deadline_ms / 1000, &config.network);
    read_expect(&reader, &config.expect);
    read_root(&reader, &config.root);
    config_read_volumes(&reader, &config);
    config_read_attestation(&reader, &config.attestation);
    if (config.attestation.resource_count && !config.broker_count && !config.broker_root.given)
        json_refuse(&reader, "brokers", "missing: attestation.resources need a broker");
    config_read_manifest(&reader, &config.manifest);
    r = config_read_workload(&reader, &config.workload);
    if (r < 0)
        return r;
    json_read_done(&reader);
    if (status.error)
        return status.error;
    *ret_config = config;
    config = (struct config){ .broker_count = 0 };
    return 0;
}

void config_free(struct config *config)
{
    policy_free(&config->expect);
    dsse_keys_free(&config->manifest.signers);
    config_workload_free(&config->workload);
    free(config->brokers);
    *config = (struct config){ .broker_count = 0 };
}
