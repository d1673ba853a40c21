/* postern volume sign-tree: the block by which a guest knows a dm-verity tree. All input is the builder's own. */
#include "cli/cli.h"

#include <errno.h>
#include <string.h>

#include "base/encode.h"
#include "base/file.h"
#include "base/key.h"
#include "base/log.h"
#include "base/secret.h"
#include "luks/tree.h"

struct request {
    const char *id, *root_hash, *salt, *key, *output;
    uint64_t version, data_blocks, hash_start_block;
};

static int sign(const struct request *request, struct reason *why)
{
    CLEANUP_KEY EVP_PKEY *key = NULL;
    struct tree_statement statement = { .version = request->version,
                                        .tree = { .data_blocks = request->data_blocks,
                                                  .hash_start_block = request->hash_start_block,
                                                  .salt_size = strlen(request->salt) / 2 } };
    uint8_t block[TREE_BLOCK_BYTES];
    int r;

    if (strlen(request->id) > TREE_ID_MAX_BYTES)
        return reason_set(why, -EINVAL, "--id: \"%s\" is longer than %u", request->id, TREE_ID_MAX_BYTES);
    memcpy(statement.volume_id, request->id, strlen(request->id) + 1);
    if (hex_decode(request->root_hash, strlen(request->root_hash), statement.tree.root_hash, SHA256_BYTES) < 0)
        return reason_set(why, -EINVAL, "--root-hash: expected 64 hexadecimal digits");
    if (statement.tree.salt_size > VERITY_MAX_SALT_BYTES ||
        hex_decode(request->salt, strlen(request->salt), statement.tree.salt, statement.tree.salt_size) < 0)
        return reason_set(why, -EINVAL, "--salt: expected up to %u bytes in hexadecimal", VERITY_MAX_SALT_BYTES);
    r = key_read_private(request->key, KEY_P384, &key, why);
    if (r < 0)
        return r;
    r = tree_sign(&statement, key, block);
    if (r < 0)
        return reason_set(why, r, "not signed: expected a P-384 key, an id of a-z, 0-9 and -, and a hash tree "
                                  "that starts behind the data");
    return file_write(request->output, 0644, block, sizeof(block), why);
}

static int run(const struct command *command, int argc, char **argv)
{
    struct request request = { .salt = "", .version = 1 };
    struct reason why = { "" };
    const struct option_row rows[] = {
        OPTION("id", "ID", "the volume's name in the configuration", OPTION_TEXT, &request.id, .required = true),
        OPTION("root-hash", "HEX", "as `veritysetup format` printed it", OPTION_TEXT, &request.root_hash,
          .required = true),
        OPTION("salt", "HEX", "(default none)", OPTION_TEXT, &request.salt),
        OPTION("data-blocks", "N", "size of the data, in blocks of 4096 bytes", OPTION_U64, &request.data_blocks,
          .required = true, .min = 1, .max = INT64_MAX),
        OPTION("hash-start-block", "N", "where the hash tree starts, in blocks", OPTION_U64, &request.hash_start_block,
          .required = true, .min = 1, .max = INT64_MAX),
        OPTION("tree-version", "N", "guests refuse those below their least_version (default 1)", OPTION_U64,
          &request.version, .max = INT64_MAX),
        OPTION("key", "FILE", "the signer's P-384 private key (PEM)", OPTION_TEXT, &request.key, .required = true),
        OPTION("output", "FILE", "the block to write, for its place on the disk", OPTION_TEXT, &request.output,
          .required = true),
    };
    int r = command_options(command, rows, ARRAY_SIZE(rows), argc, argv, NULL, 0);

    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    r = secret_library_init();
    if (r == 0)
        r = sign(&request, &why);
    if (r < 0) {
        log_error("%s", reason_text(&why, r));
        return COMMAND_MISUSE;
    }
    return COMMAND_OK;
}

const struct command verb_volume_sign_tree = {
    .program = "postern",
    .name = "volume sign-tree",
    .summary = "Signs what opens a dm-verity tree, for guests that know the signer and not the tree.",
    .usage = "--id ID --root-hash HEX --data-blocks N --hash-start-block N --key FILE --output FILE",
    .example = "  postern volume sign-tree --id app --root-hash HEX --salt HEX --data-blocks 500 \\\n"
               "      --hash-start-block 500 --tree-version 3 --key signer.pem --output tree.block\n",
    .run = run,
};
