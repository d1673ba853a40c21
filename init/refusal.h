/*
 * Why PID 1 did not go on: stable codes, one for each kind of refusal. They are printed on the console and listed in
 * postern-init(8); once published a code keeps its meaning, and its place: new ones come last.
 */
#pragma once

#include "base/base.h"

/* name, code, what it means */
#define REFUSALS(X)                                                                                                    \
    X(NONE, "", "no refusal")                                                                                          \
    X(START, "E-START", "PID 1 could not set itself up")                                                               \
    X(CONFIG, "E-CONFIG", "the configuration in the initrd is not acceptable")                                         \
    X(MODULE, "E-MODULE", "a kernel module of the initrd could not be loaded")                                         \
    X(DEVICE_MISSING, "E-DEVICE-MISSING", "a disk that the configuration names is not there")                          \
    X(DEVICE_AMBIGUOUS, "E-DEVICE-AMBIGUOUS", "two disks carry the same serial number, or hang on one PCI function")   \
    X(NETWORK, "E-NETWORK", "the network interface could not be set up")                                               \
    X(REPORT, "E-REPORT", "the secure processor gave no usable report")                                                \
    X(EXPECT, "E-EXPECT", "this launch is not what the configuration expects")                                         \
    X(INIT_DATA, "E-INIT-DATA", "init-data is missing, is not what HOST_DATA binds, or sets more than it may")         \
    X(BROKER_IDENTITY, "E-BROKER-IDENTITY", "no identity in init-data is signed by the root key for this release")     \
    X(RELEASE_TRANSPORT, "E-RELEASE-TRANSPORT", "no broker answered before the deadline")                              \
    X(RELEASE_BUSY, "E-RELEASE-BUSY", "the broker stayed busy until the deadline")                                     \
    X(RELEASE_DENIED, "E-RELEASE-DENIED", "the broker refused; its log says why under the request id")                 \
    X(RELEASE_CONFIG, "E-RELEASE-CONFIG", "what is asked for is not at that broker; the line says what to change")     \
    X(RELEASE_BROKER, "E-RELEASE-BROKER", "whoever answered does not hold a pinned broker key")                        \
    X(RELEASE_PROTOCOL, "E-RELEASE-PROTOCOL", "the broker does not speak this protocol or version")                    \
    X(RELEASE_RECORD, "E-RELEASE-RECORD", "the broker's answer is not what the configuration expects for this launch") \
    X(VOLUME_RECORD, "E-VOLUME-RECORD", "the volume record is not for this volume, or cannot be used")                 \
    X(VOLUME_OPEN, "E-VOLUME-OPEN", "the encrypted disk could not be opened as its record says")                       \
    X(VOLUME_HEADER, "E-VOLUME-HEADER", "the disk's LUKS2 header is refused, or does not say what the record says")    \
    X(VOLUME_LABEL, "E-VOLUME-LABEL", "what was opened is not this volume under this key")                             \
    X(VOLUME_FORMAT, "E-VOLUME-FORMAT", "the volume could not be formatted")                                           \
    X(VOLUME_MOUNT, "E-VOLUME-MOUNT", "the opened volume does not hold the expected file system")                      \
    X(ROOT, "E-ROOT", "the root file system could not be opened or entered")                                           \
    X(WORKLOAD, "E-WORKLOAD", "the workload could not be started")                                                     \
    X(PRIVILEGE, "E-PRIVILEGE", "PID 1 could not give up its rights")                                                  \
    X(FAULT, "E-FAULT", "PID 1 itself failed; its secrets are wiped")

enum refusal {
#define X(name, code, meaning) REFUSAL_##name,
    REFUSALS(X)
#undef X
};

/* "E-RELEASE-DENIED" and the like. */
const char *refusal_code(enum refusal refusal);
/* The same as a number, for hosts that know statuses of programs alone: 201 and up, in the order of the table. */
int refusal_status(enum refusal refusal);
const char *refusal_meaning(enum refusal refusal);
