/* release/init-data-parse.c and release/resource-parse.c: only what is on the list comes out, in its one form. */
#include "fuzz.h"
#include "release/init-data.h"

static bool is_made_of(const char *text, const char *characters)
{
    return text[strspn(text, characters)] == '\0';
}

static void check_resource(const struct resource *resource)
{
    char uri[RELEASE_MAX_RESOURCE_BYTES + RESOURCE_MAX_PLUGIN_BYTES + 16];
    struct resource again;

    REQUIRE(resource->path[0] && resource->path[0] != '/' && !strstr(resource->path, "/.") &&
            !strstr(resource->path, "//"));
    (void)snprintf(uri, sizeof(uri), "kbs+%s:///%s", resource->plugin, resource->path);
    REQUIRE(resource_parse(uri, strlen(uri), &again) == 0);
    REQUIRE(strcmp(again.plugin, resource->plugin) == 0 && strcmp(again.path, resource->path) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_copy(data, size, 0);
    uint8_t host_data[INIT_DATA_HOST_DATA_BYTES];
    struct init_data init_data, same;
    struct resource resource;

    if (resource_parse(text, size, &resource) == 0)
        check_resource(&resource);
    if (init_data_parse(text, size, &init_data, NULL) == 0) {
        REQUIRE(is_made_of(init_data.name, "abcdefghijklmnopqrstuvwxyz0123456789-"));
        REQUIRE(init_data.identity_count <= INIT_DATA_MAX_IDENTITIES);
        if (init_data.has_resource)
            check_resource(&init_data.resource);
        REQUIRE(init_data_digest(init_data.algorithm, text, size, host_data) == 0);
        REQUIRE(init_data_match(text, size, host_data, NULL) == 0);
        REQUIRE(init_data_verify(text, size, host_data, &same, NULL) == 0);
        init_data_free(&same);
        host_data[0] ^= 1;
        REQUIRE(init_data_verify(text, size, host_data, &same, NULL) < 0);
        init_data_free(&init_data);
    }
    free(text);
    return 0;
}
