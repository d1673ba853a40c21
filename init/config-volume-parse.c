/* The volumes of postern.json: what each one is opened by, and which members that asks for. */
#include <errno.h>
#include <string.h>

#include "base/encode.h"
#include "init/config-read.h"
#include "luks/header.h"

static const char *const modes[] = {
    [VOLUME_RECORD] = "record",   [VOLUME_HEADER] = "header", [VOLUME_VERITY] = "verity",
    [VOLUME_SCRATCH] = "scratch", [VOLUME_SEALED] = "sealed", [VOLUME_KEY] = "key",
};

bool config_volume_is_released(const struct config_volume *volume)
{
    return volume->mode == VOLUME_RECORD || volume->mode == VOLUME_HEADER || volume->mode == VOLUME_KEY;
}

bool config_volume_has_record(const struct config_volume *volume)
{
    return config_volume_is_released(volume) && volume->payload == PAYLOAD_RECORD;
}

bool config_volume_is_read_only(const struct config_volume *volume)
{
    return volume->read_only && (volume->mode == VOLUME_VERITY || strcmp(volume->integrity, "none") == 0);
}

bool config_volume_has_passphrase(const struct config_volume *volume)
{
    return volume->payload == PAYLOAD_PASSPHRASE || volume->payload == PAYLOAD_CONFDATA;
}

static void read_mode(struct json_reader *reader, struct config_volume *to)
{
    const char *text = modes[VOLUME_RECORD];

    (void)json_read_string(reader, "mode", JSON_OPTIONAL, 16, &text);
    for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
        if (strcmp(text, modes[i]) == 0) {
            to->mode = (enum volume_mode)i;
            return;
        }
    json_refuse(reader, "mode", "expected record, header, key, verity, scratch or sealed, found \"%s\"", text);
}

/* Tags are the default: that a volume goes without has to be written. */
static void read_integrity(struct json_reader *reader, struct config_volume *to)
{
    const char *text = "hmac(sha256)";

    (void)json_read_string(reader, "integrity", JSON_OPTIONAL, 16, &text);
    if (strcmp(text, "hmac(sha256)") != 0 && strcmp(text, "none") != 0)
        json_refuse(reader, "integrity", "expected hmac(sha256) or none, found \"%s\"", text);
    else
        memcpy(to->integrity, text, strlen(text) + 1);
}

static void read_resource(struct json_reader *reader, struct config_volume *to)
{
    const char *text = NULL;

    (void)json_read_bool(reader, "resource_from_init_data", JSON_OPTIONAL, &to->resource_from_init_data);
    if (to->resource_from_init_data)
        return;
    if (json_read_string(reader, "resource", JSON_REQUIRED, RELEASE_MAX_RESOURCE_BYTES, &text) &&
        resource_parse(text, strlen(text), &to->resource) < 0)
        json_refuse(reader, "resource", "\"%s\" is not of the form REPOSITORY/TYPE/TAG", text);
}

/* What the broker gives: said here, so that nothing has to be guessed from the bytes. */
static void read_payload(struct json_reader *reader, struct config_volume *to)
{
    const char *text = NULL;

    to->payload = to->mode == VOLUME_KEY ? PAYLOAD_KEY : PAYLOAD_RECORD;
    if (to->mode != VOLUME_HEADER || !json_read_string(reader, "payload", JSON_OPTIONAL, 16, &text))
        return;
    if (payload_kind_parse(text, &to->payload) < 0 || to->payload == PAYLOAD_RAW)
        json_refuse(reader, "payload", "expected record, key, passphrase or confdata, found \"%s\"", text);
    else if (to->payload == PAYLOAD_CONFDATA)
        config_read_word(reader, "payload_name", NAME_CHARACTERS, to->payload_name, sizeof(to->payload_name));
}

/* What a record would say. Where there is a header, `offset` is its place, since the data's follows from it. */
static void read_geometry(struct json_reader *reader, struct config_volume *to)
{
    uint64_t sector_size = 4096;

    if (to->mode == VOLUME_HEADER)
        to->offset += HEADER_DATA_OFFSET_BYTES;
    if (json_read_u64(reader, "sector_size", JSON_OPTIONAL, 512, 4096, &sector_size) && sector_size != 4096 &&
        (sector_size != 512 || strcmp(to->integrity, "none") != 0))
        json_refuse(reader, "sector_size", "expected 4096, or 512 without tags");
    to->sector_size = (uint32_t)sector_size;
}

/* Without a record the length is measured data: the size that a disk has is the host's word. */
static void read_length(struct json_reader *reader, struct config_volume *to)
{
    (void)json_read_u64(reader, "length", JSON_REQUIRED, CONFIG_LEAST_VOLUME_BYTES, INT64_MAX / 2, &to->length);
    if (!reader->status->error && to->length % 4096)
        json_refuse(reader, "length", "%llu is no multiple of 4096", (unsigned long long)to->length);
    config_read_offset(reader, &to->offset);
}

/* Another TCB version is another key: moving to it is a new volume, by the builder's hand. */
static void read_sealed(struct json_reader *reader, struct config_volume *to)
{
    uint8_t bytes[8];

    (void)json_read_bool(reader, "initialise", JSON_OPTIONAL, &to->initialise);
    to->has_tcb_version = json_read_hex(reader, "tcb_version", JSON_OPTIONAL, bytes, sizeof(bytes));
    for (size_t i = 0; to->has_tcb_version && i < sizeof(bytes); i++)
        to->tcb_version = to->tcb_version << 8 | bytes[i];
}

static void read_filesystem(struct json_reader *reader, struct config_volume *to)
{
    const char *expected = to->mode == VOLUME_VERITY ? "erofs" : "ext4", *text = NULL;

    if (json_read_string(reader, "filesystem", JSON_REQUIRED, 16, &text) && strcmp(text, expected) != 0)
        json_refuse(reader, "filesystem", "expected \"%s\", found \"%s\"", expected, text);
    to->filesystem = expected;
}

/* A tree that somebody vouches for, who is measured; the tree itself is not. */
static void read_signed(struct json_reader *parent, struct config_volume *to)
{
    uint8_t der[SPKI_MAX_BYTES];
    struct json_reader reader;
    size_t size = 0;

    config_read_offset(parent, &to->tree.offset);
    if (!json_read_object(parent, "signed", JSON_REQUIRED, &reader))
        return;
    if (json_read_base64(&reader, "signer", JSON_REQUIRED, BASE64_STANDARD, der, sizeof(der), &size) &&
        key_p384_take(der, size, &to->signer) < 0)
        json_refuse(&reader, "signer", "not a P-384 public key in DER");
    (void)json_read_u64(&reader, "block", JSON_REQUIRED, 1, UINT32_MAX, &to->signed_block);
    (void)json_read_u64(&reader, "least_version", JSON_REQUIRED, 0, INT64_MAX, &to->least_version);
    json_read_done(&reader);
}

static void read_volume(struct json_reader *reader, struct config_volume *to)
{
    config_read_word(reader, "id", NAME_CHARACTERS, to->id, sizeof(to->id));
    config_read_device(reader, to->device);
    read_mode(reader, to);
    if (to->mode == VOLUME_VERITY && json_has(reader, "signed"))
        read_signed(reader, to);
    else if (to->mode == VOLUME_VERITY)
        config_read_tree(reader, &to->tree);
    else
        read_integrity(reader, to);
    if (config_volume_is_released(to)) {
        read_resource(reader, to);
        read_payload(reader, to);
    }
    if (to->mode != VOLUME_VERITY && !config_volume_has_record(to)) {
        read_length(reader, to);
        if (config_volume_is_released(to))
            read_geometry(reader, to);
    }
    if (to->mode == VOLUME_SEALED)
        read_sealed(reader, to);
    config_read_path(reader, "mount", to->mount, sizeof(to->mount));
    read_filesystem(reader, to);
    to->read_only = to->mode == VOLUME_VERITY;
    if (config_volume_is_released(to))
        (void)json_read_bool(reader, "read_only", JSON_OPTIONAL, &to->read_only);
    json_read_done(reader);
}

/* Ids name mappings, and "root" is the root file system's. */
static bool id_is_taken(const struct config *config, size_t index)
{
    const char *id = config->volumes[index].id;

    for (size_t i = 0; i < index; i++)
        if (strcmp(config->volumes[i].id, id) == 0)
            return true;
    return strcmp(id, "root") == 0;
}

void config_read_volumes(struct json_reader *reader, struct config *config)
{
    struct json_reader array, volume;
    bool released = false, recorded = false, named = false;

    if (!json_read_array(reader, "volumes", JSON_OPTIONAL, CONFIG_MAX_VOLUMES, &array, &config->volume_count))
        return;
    for (size_t i = 0; i < config->volume_count; i++) {
        if (!json_element_object(&array, i, &volume))
            continue;
        read_volume(&volume, &config->volumes[i]);
        if (id_is_taken(config, i))
            json_refuse(&volume, "id", "\"%s\" is taken", config->volumes[i].id);
        released = released || config_volume_is_released(&config->volumes[i]);
        recorded = recorded || config_volume_has_record(&config->volumes[i]);
        named = named || config->volumes[i].resource_from_init_data;
    }
    if (released && !config->broker_count && !config->broker_root.given)
        json_refuse(reader, "brokers", "missing: volumes need a broker");
    if (named && !config->init_data_device[0])
        json_refuse(reader, "init_data", "missing: a volume's resource is to be named there");
    for (size_t i = 0; recorded && i < config->broker_count; i++)
        if (!config->brokers[i].record_key.given)
            json_refuse(reader, "brokers", "element %zu: record_key is missing: volumes need signed records", i);
}
