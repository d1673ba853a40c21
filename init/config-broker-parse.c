/*
 * Who may be asked for keys, in postern.json: pinned brokers, and the offline root key that signs identities of others;
 * with it where init-data lies, on which they come.
 */
#include <string.h>

#include "base/encode.h"
#include "init/config-read.h"
#include "release/identity.h"

static void read_broker(struct json_reader *reader, struct release_broker *to)
{
    const char *url = NULL, *address = NULL;

    (void)json_read_string(reader, "address", JSON_OPTIONAL, ENDPOINT_MAX_TEXT, &address);
    if (json_read_string(reader, "url", JSON_REQUIRED, ENDPOINT_MAX_TEXT, &url) &&
        endpoint_parse_url(url, address, &to->peer.endpoint) < 0)
        json_refuse(reader, "url", "\"%s\" is not of the form %s", url,
                    address ? "https://NAME:PORT, or \"address\" is no literal address"
                            : "https://ADDRESS:PORT with a literal address; with a name \"address\" is needed");
    /* A broker that gives out no records, stock Trustee, has no key for them. */
    identity_read_keys(reader, JSON_OPTIONAL, to->peer.pins, &to->peer.pin_count, &to->record_key);
    json_read_done(reader);
}

static void read_root(struct json_reader *parent, struct config *config)
{
    struct json_reader reader;
    uint8_t der[SPKI_MAX_BYTES];
    size_t size = 0;

    if (!json_read_object(parent, "broker_root", JSON_OPTIONAL, &reader))
        return;
    if (json_read_base64(&reader, "key", JSON_REQUIRED, BASE64_STANDARD, der, sizeof(der), &size) &&
        key_p384_take(der, size, &config->broker_root) < 0)
        json_refuse(&reader, "key", "not a P-384 public key in DER");
    (void)json_read_u64(&reader, "release", JSON_REQUIRED, 0, IDENTITY_MAX_RELEASE, &config->release);
    json_read_done(&reader);
}

static void read_init_data(struct json_reader *parent, struct config *config)
{
    struct json_reader reader;

    if (!json_read_object(parent, "init_data", JSON_OPTIONAL, &reader))
        return;
    config_read_device(&reader, config->init_data_device);
    json_read_done(&reader);
}

void config_read_brokers(struct json_reader *reader, struct config *config)
{
    struct json_reader array, broker;

    if (json_read_array(reader, "brokers", JSON_OPTIONAL, CONFIG_MAX_PINNED_BROKERS, &array, &config->broker_count))
        for (size_t i = 0; i < config->broker_count; i++)
            if (json_element_object(&array, i, &broker))
                read_broker(&broker, &config->brokers[i]);
    read_root(reader, config);
    read_init_data(reader, config);
    if (!reader->status->error && config->broker_root.given && !config->init_data_device[0])
        json_refuse(reader, "init_data", "missing: identities that broker_root has signed come with init-data");
}
