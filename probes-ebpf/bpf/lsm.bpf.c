// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * All deciding probes, as one object: they share their maps. Each file lists its hooks.
 */
#include "file_hooks.h"
#include "name_hooks.h"
#include "attr_hooks.h"
#include "process_hooks.h"

char LICENSE[] SEC("license") = "GPL";
