/* Made from kernel-abi/ by `cargo xtask codegen`. Do not edit. */

#ifndef AEGIS_ABI_H
#define AEGIS_ABI_H


#define AEGIS_HOOK_FILE_OPEN 0
#define AEGIS_HOOK_MMAP_FILE 1
#define AEGIS_HOOK_FILE_MPROTECT 2
#define AEGIS_HOOK_BPRM_CHECK 3
#define AEGIS_HOOK_PATH_TRUNCATE 4
#define AEGIS_HOOK_FILE_TRUNCATE 5
#define AEGIS_HOOK_INODE_CREATE 6
#define AEGIS_HOOK_INODE_LINK 7
#define AEGIS_HOOK_INODE_UNLINK 8
#define AEGIS_HOOK_INODE_SYMLINK 9
#define AEGIS_HOOK_INODE_MKDIR 10
#define AEGIS_HOOK_INODE_RMDIR 11
#define AEGIS_HOOK_INODE_MKNOD 12
#define AEGIS_HOOK_INODE_RENAME 13
#define AEGIS_HOOK_PATH_MKNOD 14
#define AEGIS_HOOK_PATH_LINK 15
#define AEGIS_HOOK_PATH_UNLINK 16
#define AEGIS_HOOK_PATH_SYMLINK 17
#define AEGIS_HOOK_PATH_MKDIR 18
#define AEGIS_HOOK_PATH_RMDIR 19
#define AEGIS_HOOK_PATH_RENAME 20
#define AEGIS_HOOK_SYS_EXIT 21
#define AEGIS_HOOK_SCHED_EXEC 22
#define AEGIS_HOOK_COMMITTED_CREDS 23
#define AEGIS_HOOK_TASK_ALLOC 24
#define AEGIS_HOOK_SCHED_FORK 25
#define AEGIS_HOOK_INODE_SETATTR 26
#define AEGIS_HOOK_INODE_SETXATTR 27
#define AEGIS_HOOK_INODE_REMOVEXATTR 28
#define AEGIS_HOOK_INODE_SET_ACL 29
#define AEGIS_HOOK_INODE_REMOVE_ACL 30
#define AEGIS_HOOK_PATH_CHMOD 31
#define AEGIS_HOOK_PATH_CHOWN 32
#define AEGIS_HOOK_SCHED_EXIT 33
#define AEGIS_KIND_LSM 0
#define AEGIS_KIND_FALLBACK 1
#define AEGIS_CLASS_FILE 0
#define AEGIS_CLASS_EXEC 1
#define AEGIS_CLASS_NAME 2
#define AEGIS_CLASS_PROCESS 3
#define AEGIS_CLASS_ATTR 4
#define AEGIS_VERDICT_ALLOW 0
#define AEGIS_VERDICT_AUDIT 1
#define AEGIS_VERDICT_DENY 2
#define AEGIS_MODE_OBSERVE 0
#define AEGIS_MODE_ENFORCE 1
#define AEGIS_REASON_NONE 0
#define AEGIS_REASON_OBJECT 1
#define AEGIS_REASON_SLOT 2
#define AEGIS_REASON_SURVIVAL 3
#define AEGIS_REASON_EXEMPT 4
#define AEGIS_REASON_SELF_CHECK 5
#define AEGIS_REASON_ANCHOR 6
#define AEGIS_REASON_SUBTREE 7
#define AEGIS_REASON_ANY 8
#define AEGIS_REASON_TABLE_MISSING 9
#define AEGIS_REASON_MIXED_GENERATIONS 10
#define AEGIS_REASON_NAME_UNREADABLE 11
#define AEGIS_REASON_TOO_MANY_ROWS 12
#define AEGIS_REASON_WALK_INCOMPLETE 13
#define AEGIS_REASON_SUBJECT_UNKNOWN 14


#define AEGIS_OPERATION_READ 1

#define AEGIS_OPERATION_WRITE 2

#define AEGIS_OPERATION_EXEC 4

#define AEGIS_OPERATION_MAP_EXEC 8

#define AEGIS_OPERATION_TRUNCATE 16

#define AEGIS_OPERATION_CREATE 32

#define AEGIS_OPERATION_LINK 64

#define AEGIS_OPERATION_UNLINK 128

#define AEGIS_OPERATION_RENAME 256

#define AEGIS_OPERATION_MKDIR 512

#define AEGIS_OPERATION_MKNOD 1024

#define AEGIS_OPERATION_SYMLINK 2048

#define AEGIS_OPERATION_APPEND 65536

#define AEGIS_OPERATION_CHMOD 131072

#define AEGIS_OPERATION_CHOWN 262144

#define AEGIS_OPERATION_UTIME 524288

#define AEGIS_OPERATION_XATTR 1048576

#define AEGIS_ABI_VERSION 6

#define AEGIS_ENTRY_HAS_SLOTS 1

#define AEGIS_ENTRY_SUBTREE 2

#define AEGIS_ENTRY_HAS_SUBTREE_SLOTS 4

#define AEGIS_ENTRY_SECURE_EXEC 8

#define AEGIS_MAX_ROWS 512

#define AEGIS_MAX_SUBTREES 5

#define AEGIS_WALK_STEPS 1024

#define AEGIS_ROW_ANY_INODE_GENERATION 1

#define AEGIS_ROW_SELF_CHECK 2

#define AEGIS_ROW_ANCHOR 4

#define AEGIS_ROW_FOLLOW 8

#define AEGIS_ROW_SUBTREE 16

#define AEGIS_ROW_ALLOW 32

#define AEGIS_MAX_ALLOWING_TENANTS 63

#define AEGIS_ANY_INO (UINT64_MAX - 1)

#define AEGIS_ANY_DEV UINT32_MAX

#define AEGIS_SELF_CHECK_INO UINT64_MAX

#define AEGIS_SELF_CHECK_DEV UINT32_MAX

#define AEGIS_RULE_SELF_CHECK 4294967294

#define AEGIS_RULE_NONE 4294967295

#define AEGIS_RULE_ID_BYTES 64

#define AEGIS_RULE_PENDING 1

#define AEGIS_POLICY_NAME_BYTES 64

#define AEGIS_GENERATION_HAS_SLOTS 1

#define AEGIS_GENERATION_HAS_ANY 2

#define AEGIS_GENERATION_HAS_ALLOW 4

#define AEGIS_BANKS 2

#define AEGIS_SURVIVAL_OBJECT 1

#define AEGIS_SURVIVAL_CGROUP 2

#define AEGIS_SURVIVAL_PROCESS 3

#define AEGIS_HOOKS 34

#define AEGIS_PATH_BYTES 616

#define AEGIS_PATH_DEPTH 32

#define AEGIS_EVENT_DECISION 1

#define AEGIS_FLAG_PATH_CUT 1

#define AEGIS_PROCESS_EXEC 1

#define AEGIS_PROCESS_FORK 2

#define AEGIS_PROCESS_EXIT 3

#define AEGIS_PROCESS_PATH_CUT 1

#define AEGIS_PROCESS_ARGV_CUT 2

#define AEGIS_ARGV_BYTES 1024

#define AEGIS_ARGUMENT_BYTES 512

#define AEGIS_ARGUMENTS 64

#define AEGIS_HELD_DESCRIPTOR 1

#define AEGIS_HELD_MAPPING 2

#define AEGIS_CGROUP_LEVELS 32

#define AEGIS_ROLE_SCOPE 1

#define AEGIS_ROLE_WHEN 2

#define AEGIS_ROLE_UNLESS 3

#define AEGIS_ASKS_EXE 1

#define AEGIS_ASKS_ANCESTOR 2

#define AEGIS_ASKS_CGROUP 4

#define AEGIS_ASKS_UID 8

#define AEGIS_ASKS_GID 16

#define AEGIS_ASKS_USER_NS 32

#define AEGIS_ASKS_PID_NS 64

#define AEGIS_ASKS_MNT_NS 128

#define AEGIS_MAX_CONDITIONS 256

#define AEGIS_MAX_RANGES 256

#define AEGIS_MEMBER_NAME (1 << 16)

#define AEGIS_LINEAGE 31

#define AEGIS_LINEAGE_KNOWN 1

#define AEGIS_LINEAGE_UNPROVEN 2

#define AEGIS_LINEAGE_ANCESTORS_UNPROVEN 4

#define AEGIS_LINEAGE_CUT 8

#define AEGIS_GAP_REASONS 6

struct aegis_object_key {
  uint64_t ino;
  uint32_t dev;
  uint32_t inode_generation;
};

struct aegis_inode_number {
  uint32_t ino[2];
  uint32_t dev;
};

struct aegis_slot_key {
  struct aegis_object_key parent;
  uint64_t name_hash;
};

struct aegis_entry {
  uint32_t generation;
  uint32_t inode_generation;
  uint32_t first_row;
  uint16_t row_count;
  uint16_t flags;
};

struct aegis_row {
  uint32_t generation;
  uint32_t operations;
  uint32_t rule;
  uint8_t mode;
  uint8_t signal;
  uint16_t flags;
  uint32_t first_condition;
  uint16_t condition_count;
  uint16_t tenant;
};

struct aegis_rule_info {
  uint8_t id[AEGIS_RULE_ID_BYTES];
  uint32_t flags;
  uint32_t operations;
  uint32_t escalate_after;
  uint32_t escalate_within;
};

struct aegis_exempt {
  uint32_t generation;
  uint32_t reserved;
};

struct aegis_generation_info {
  uint32_t generation;
  uint32_t flags;
  uint32_t operations;
  uint32_t enforced_operations;
  uint32_t rules;
  uint32_t objects;
  uint32_t slots;
  uint32_t rows;
  uint32_t exempt;
  uint32_t conditions;
  uint32_t members;
  uint32_t ranges;
  uint32_t reserved;
  uint32_t mode;
  uint32_t pending;
  uint32_t subtree_operations;
  uint64_t serial;
  uint64_t built_at_ns;
  uint8_t plan_digest[32];
  uint8_t table_digest[32];
  uint8_t policy[AEGIS_POLICY_NAME_BYTES];
};

struct aegis_survival_key {
  struct aegis_object_key object;
  uint32_t kind;
  uint32_t reserved;
};

struct aegis_survival {
  uint32_t operations;
  uint32_t reserved;
};

struct aegis_accepted {
  uint64_t serial;
  uint8_t digest[32];
};

struct aegis_identity {
  uint32_t abi_version;
  uint32_t size;
  uint64_t name_key[2];
  uint8_t object_digest[32];
  uint64_t program_tags[AEGIS_HOOKS];
  uint32_t kind;
  uint32_t reserved;
};

struct aegis_active {
  uint32_t generation;
  uint32_t enforced_operations;
};

struct aegis_self_check {
  uint32_t pid;
  uint32_t generation;
  uint64_t start_time;
  uint32_t hook;
  uint32_t token;
};

struct aegis_proof {
  uint32_t token;
  uint32_t generation;
  uint32_t rule;
  uint8_t verdict;
  uint8_t reason;
  uint16_t reserved;
  uint64_t time_ns;
  struct aegis_object_key object;
};

struct aegis_event {
  uint16_t abi_version;
  uint8_t kind;
  uint8_t hook;
  uint8_t verdict;
  uint8_t reason;
  uint8_t signal;
  uint8_t flags;
  uint32_t cpu;
  uint32_t generation;
  uint64_t sequence;
  uint64_t time_ns;
  uint32_t operations;
  uint32_t rule;
  uint32_t pid;
  uint32_t tid;
  uint64_t start_time;
  uint64_t parent_start_time;
  uint32_t ppid;
  uint32_t uid;
  uint32_t gid;
  uint32_t mount_namespace;
  uint32_t pid_namespace;
  uint16_t path_bytes;
  uint16_t path_components;
  uint64_t cgroup;
  struct aegis_object_key object;
  struct aegis_object_key executable;
  uint32_t lineage;
  uint32_t reserved;
  uint8_t comm[16];
  uint8_t path[AEGIS_PATH_BYTES];
};

struct aegis_process_event {
  uint16_t abi_version;
  uint8_t kind;
  uint8_t flags;
  uint32_t lineage;
  uint64_t time_ns;
  uint32_t pid;
  uint32_t maker;
  uint64_t start_time;
  uint64_t maker_start_time;
  struct aegis_object_key executable;
};

struct aegis_exec_event {
  struct aegis_process_event process;
  uint16_t path_bytes;
  uint16_t path_components;
  uint16_t argv_bytes;
  uint16_t reserved;
  uint8_t path[AEGIS_PATH_BYTES];
  uint8_t argv[AEGIS_ARGV_BYTES];
};

struct aegis_notice {
  uint32_t generation;
  uint32_t hook;
  uint64_t time_ns;
};

struct aegis_resolved {
  uint32_t descriptor;
  uint32_t reserved;
  struct aegis_object_key object;
};

struct aegis_process {
  uint32_t pid;
  uint32_t reserved;
  uint64_t start_time;
};

struct aegis_held {
  struct aegis_object_key object;
  struct aegis_object_key opened;
  uint64_t start_time;
  uint64_t first;
  uint64_t end;
  uint32_t pid;
  uint32_t pid_here;
  uint32_t tid;
  uint32_t uid;
  uint32_t kind;
  uint32_t operations;
  uint8_t comm[16];
};

struct aegis_membership {
  uint64_t cgroup;
  uint64_t start_time;
  uint32_t pid;
  uint32_t reserved;
};

struct aegis_condition {
  uint32_t generation;
  uint16_t role;
  uint16_t asks;
  uint32_t list;
  uint32_t first_uid;
  uint32_t first_gid;
  uint16_t uid_count;
  uint16_t gid_count;
};

struct aegis_member_key {
  struct aegis_object_key member;
  uint32_t list;
  uint32_t kind;
};

struct aegis_member {
  uint32_t generation;
  uint32_t reserved;
};

struct aegis_range {
  uint32_t generation;
  uint32_t first;
  uint32_t last;
  uint32_t reserved;
};

struct aegis_image {
  struct aegis_object_key file;
  uint64_t name;
};

struct aegis_lineage {
  uint32_t flags;
  uint32_t count;
  struct aegis_image exe;
  struct aegis_image ancestors[AEGIS_LINEAGE];
  uint64_t denied_since;
  uint64_t denials;
};

struct aegis_counters {
  uint64_t submitted;
  uint64_t suppressed;
  uint64_t dropped;
  uint64_t sequence;
  uint64_t reported;
  uint64_t undecidable;
  uint64_t survived;
  uint64_t exempted;
  uint64_t unseen;
  uint64_t untold;
  uint64_t audited[AEGIS_HOOKS];
  uint64_t denied[AEGIS_HOOKS];
};

struct aegis_storm_key {
  struct aegis_object_key object;
  struct aegis_object_key executable;
  uint32_t generation;
  uint32_t rule;
  uint32_t operations;
  uint8_t hook;
  uint8_t verdict;
  uint8_t reason;
  uint8_t reserved;
};

struct aegis_storm {
  uint64_t since;
  uint64_t window;
  uint64_t in_window;
  uint64_t suppressed;
  uint64_t last;
};

struct aegis_summarised {
  uint64_t since;
  uint64_t count;
  uint64_t last;
};

struct aegis_ledger {
  uint64_t events_per_second;
  uint64_t summarised;
  uint64_t reading;
};

struct aegis_delivered {
  uint64_t upto;
  uint64_t events;
  uint64_t late;
  uint64_t gaps[AEGIS_GAP_REASONS];
};

struct aegis_reader_mark {
  uint64_t taken;
  uint64_t turn;
  struct aegis_delivered pages[2];
};

#endif  /* AEGIS_ABI_H */
