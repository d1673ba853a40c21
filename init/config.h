/*
 * postern.json, the measured configuration of a guest (postern.json(5)). Unknown, duplicate or mistyped members, and
 * values out of range, are errors with the member's path.
 */
#pragma once

#include <openssl/evp.h>

#include "attest/policy.h"
#include "base/reason.h"
#include "base/tls.h"
#include "init/rtnetlink.h"
#include "init/workload.h"
#include "luks/verity.h"
#include "measure/dsse.h"
#include "release/failover.h"
#include "release/payload.h"
#include "release/record.h"
#include "release/release.h"
#include "release/resource.h"

#define CONFIG_PATH "/etc/postern/postern.json"
#define CONFIG_MAX_BYTES (64u * 1024)
#define CONFIG_MAX_PINNED_BROKERS 4
#define CONFIG_MAX_BROKERS 36 /* and every address of eight identities */
#define CONFIG_MAX_VOLUMES 8
#define CONFIG_MAX_RESOLVERS 3 /* as many as resolv.conf(5) takes */
#define CONFIG_MAX_UIDS 8
#define CONFIG_MAX_RESOURCES 4 /* of at most RELEASE_MAX_PAYLOAD_BYTES each */
#define CONFIG_MAX_PATH_BYTES 255
#define CONFIG_MAX_DEVICE_BYTES 20 /* what virtio-blk carries */
#define CONFIG_MAX_NAME_BYTES 31

/* Where the interface's address comes from. */
enum network_method {
    NETWORK_STATIC,
    NETWORK_DHCP,                 /* DHCPv4, by udhcpc */
    NETWORK_ROUTER_ADVERTISEMENT, /* IPv6, by the kernel */
};

struct config_network {
    bool enabled;
    char interface[16];
    enum network_method method;
    struct net_address address; /* static */
    bool has_gateway;
    struct net_address gateway; /* static */
    uint32_t mtu; /* 0: what the interface has, or the lease says */
    struct net_address resolvers[CONFIG_MAX_RESOLVERS];
    size_t resolver_count;
    uint64_t wait_ms; /* for interface, link and address together */
};

struct config_root {
    char device[CONFIG_MAX_DEVICE_BYTES + 1]; /* virtio serial of the disk, or "pci-0000:00:05.0" */
    struct verity_tree tree;
};

/* What decides how a volume is opened. */
enum volume_mode {
    VOLUME_RECORD,  /* the broker's record alone */
    VOLUME_HEADER,  /* the record, or measured data, and a LUKS2 header that says the same */
    VOLUME_KEY,     /* a bare volume key from a broker; all else is measured */
    VOLUME_VERITY,  /* measured root hash; read-only */
    VOLUME_SCRATCH, /* a random key for each boot */
    VOLUME_SEALED,  /* a key that the processor derives for this guest */
};

/* Less does not hold the file system that guests make. */
#define CONFIG_LEAST_VOLUME_BYTES (16u * 1024 * 1024)

struct config_volume {
    enum volume_mode mode;
    char id[RECORD_ID_MAX_BYTES + 1];
    char device[CONFIG_MAX_DEVICE_BYTES + 1];
    bool resource_from_init_data; /* then the next is empty until init-data was read */
    struct resource resource;
    enum payload_kind payload; /* what the broker releases */
    char payload_name[CONFIG_MAX_NAME_BYTES + 1];
    uint32_t sector_size; /* where no record says it */
    char integrity[RECORD_ID_MAX_BYTES + 1];
    char mount[CONFIG_MAX_PATH_BYTES + 1]; /* in the new root */
    bool read_only;
    const char *filesystem;  /* "ext4", "erofs" */
    uint64_t length;         /* bytes; where no record says it */
    uint64_t offset;         /* where its data starts on its disk, bytes; the same */
    bool initialise;         /* sealed: a blank disk may be formatted */
    bool has_tcb_version;    /* sealed: whether the key depends on one */
    uint64_t tcb_version;
    struct verity_tree tree; /* verity; without a name; of a signed one the offset alone */
    struct key_p384 signer;  /* verity: whose word the rest of the tree is; not given: it stands in `tree` */
    uint64_t signed_block;   /* where that word stands, in blocks behind the offset */
    uint64_t least_version;
};

/* Whose signed manifest must have this launch, and on which disk it comes. */
struct config_manifest {
    bool wanted;
    char device[CONFIG_MAX_DEVICE_BYTES + 1];
    struct dsse_keys signers;
    uint32_t threshold;
};

/* Who may ask on the attestation socket, nobody: there is none; and which of the broker's resources lie ready there. */
struct config_attestation {
    uint32_t uids[CONFIG_MAX_UIDS];
    size_t uid_count;
    struct resource resources[CONFIG_MAX_RESOURCES];
    size_t resource_count;
};

struct config {
    struct release_broker *brokers; /* room for CONFIG_MAX_BROKERS */
    size_t broker_count;
    struct key_p384 broker_root; /* signs identities of further brokers; or is not given */
    uint64_t release;      /* this image's, for which identities hold */
    char init_data_device[CONFIG_MAX_DEVICE_BYTES + 1]; /* as the root's; empty: none */
    uint64_t deadline_ms; /* for all that PID 1 waits for, together */
    uint64_t release_deadline_ms;
    uint64_t build_epoch; /* seconds since 1970; 0: none */
    struct config_network network;
    struct policy expect;
    struct config_root root;
    struct config_volume volumes[CONFIG_MAX_VOLUMES];
    size_t volume_count;
    struct config_workload workload;
    struct config_manifest manifest;
    struct config_attestation attestation;
};

/* The caller frees with config_free(). Errors: those of json_parse(), -EBADMSG with the path, -ENOMEM. */
int config_parse(const void *text, size_t size, struct config *ret_config, struct reason *why) MUST_CHECK;

/* Whether a broker has to release the volume. */
bool config_volume_is_released(const struct config_volume *volume);

/* Whether the broker's signed record says how the volume is treated, and not the configuration. */
bool config_volume_has_record(const struct config_volume *volume);

/* Whether its disk is only read: a journal of tags is replayed also where the file system is not written. */
bool config_volume_is_read_only(const struct config_volume *volume);

/* Whether what the broker releases opens a keyslot of the volume's header, and is not its key. */
bool config_volume_has_passphrase(const struct config_volume *volume);

void config_free(struct config *config);
