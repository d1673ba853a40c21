/* Between the files that read parts of postern.json: words, paths, and what two parts have in common. */
#pragma once

#include "base/json.h"
#include "init/config.h"

#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyz0123456789-"
#define SPKI_MAX_BYTES 256
#define PATH_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_./"

/* A string of at least one character out of `characters`. */
void config_read_word(struct json_reader *reader, const char *name, const char *characters, char *ret_text,
                      size_t room);

/* The member `device`: a virtio serial, or "pci-" and the place of a PCI function. */
void config_read_device(struct json_reader *reader, char ret_device[CONFIG_MAX_DEVICE_BYTES + 1]);

/* The member `offset`: a multiple of 4096, 0 when it is missing. */
void config_read_offset(struct json_reader *reader, uint64_t *ret_offset);

/* Absolute, without "." and ".." and empty parts. */
bool config_path_is_plain(const char *path);

/* A string that is such a path. */
void config_read_path(struct json_reader *reader, const char *name, char *ret_path, size_t room);

/* The members of a dm-verity tree but its name: of the root, and of volumes in mode verity. */
void config_read_tree(struct json_reader *reader, struct verity_tree *tree);

/* The object `network`, which may wait so many seconds. */
void config_read_network(struct json_reader *parent, uint64_t most_s, struct config_network *to);
/* The members `brokers`, `broker_root` and `init_data`. */
void config_read_brokers(struct json_reader *reader, struct config *config);

/* The object `manifest`. */
void config_read_manifest(struct json_reader *parent, struct config_manifest *to);

/* The object `attestation`. */
void config_read_attestation(struct json_reader *parent, struct config_attestation *to);

/* The array `volumes`. After the brokers. */
void config_read_volumes(struct json_reader *reader, struct config *config);
