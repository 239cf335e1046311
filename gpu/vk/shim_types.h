// The few Vulkan structures that shim.c passes, in the layout that the Vulkan
// specification gives them on 64-bit platforms.
#ifndef ECLAT_VK_SHIM_TYPES_H
#define ECLAT_VK_SHIM_TYPES_H

#include <stdint.h>
#include <stddef.h>

#include "shim.h"

_Static_assert(sizeof(void *) == 8, "package vk needs a 64-bit platform");

#if defined(_WIN32)
#define EVAPI __stdcall
#else
#define EVAPI
#endif

typedef struct { uint32_t type; const void *next; const char *app; uint32_t app_version; const char *engine; uint32_t engine_version, api; } ApplicationInfo;
typedef struct { uint32_t type; const void *next; uint32_t flags; const ApplicationInfo *app; uint32_t layers; const char *const *layer; uint32_t extensions; const char *const *extension; } InstanceInfo;
typedef struct { uint32_t type; const void *next; uint32_t enabled; const uint32_t *enable; uint32_t disabled; const uint32_t *disable; } ValidationFeatures;
typedef struct { uint32_t type; const void *next; uint32_t flags; const char *id; int32_t number; const char *message; } MessageData; // its first fields
typedef struct { uint32_t type; const void *next; uint32_t flags, severity, types; uint32_t (EVAPI *callback)(uint32_t, uint32_t, const MessageData *, void *); void *user; } MessengerInfo;
typedef struct { char name[256]; uint32_t version; } ExtensionProperties;
typedef struct { char name[256]; uint32_t spec, version; char description[256]; } LayerProperties;

// Every feature structure here is a header and a row of VkBool32.
typedef struct { uint32_t type; void *next; uint32_t on[56]; } Features;
typedef struct { uint32_t type; void *next; uint64_t body[103]; } Properties2; // VkPhysicalDeviceProperties is 824 bytes
typedef struct { uint32_t type; void *next; uint8_t device[16], driver[16], luid[8]; uint32_t mask, luid_valid; } IDProperties;
typedef struct { uint32_t type; void *next; uint32_t sets; uint64_t allocation; } Maintenance3;
typedef struct { uint32_t type; void *next; uint64_t buffer; } Maintenance4;
typedef struct { uint32_t type; void *next; uint32_t id; char name[256], info[256]; uint8_t version[4]; } DriverProperties;
typedef struct { uint32_t type; void *next; uint32_t size, stages, operations, quad; } SubgroupProperties;
typedef struct { uint32_t type; void *next; uint32_t min, max, most_a_group, stages; } SubgroupSizeProperties;
typedef struct { uint32_t type; void *next; uint32_t accelerated[30]; } IntDotProperties;
typedef struct { uint32_t type; void *next; uint32_t engines, arrays, units, simds[16]; } CorePropertiesAMD;
typedef struct { uint32_t type; void *next; uint32_t units, warps; } CorePropertiesNV;
typedef struct { uint32_t type; void *next; uint32_t m, n, k, a, b, c, result, saturating, scope; } CoopmatProperties;
typedef struct { uint32_t flags, heap; } MemoryTypeInfo;
typedef struct { uint64_t size; uint32_t flags; } MemoryHeapInfo;
typedef struct { uint32_t type; void *next; uint32_t types; MemoryTypeInfo t[32]; uint32_t heaps; MemoryHeapInfo h[16]; } MemoryProperties2;
typedef struct { uint32_t type; void *next; uint64_t budget[16], used[16]; } MemoryBudget;
typedef struct { uint32_t flags, count, timestamp_bits, granularity[3]; } QueueFamily;

typedef struct { uint32_t type; const void *next; uint32_t flags, family, count; const float *priority; } QueueInfo;
typedef struct { uint32_t type; const void *next; uint32_t flags, queues; const QueueInfo *queue; uint32_t layers; const char *const *layer; uint32_t extensions; const char *const *extension; const uint32_t *features; } DeviceInfo;

typedef struct { uint32_t type; const void *next; uint32_t flags; size_t bytes; const uint32_t *code; } ModuleInfo;
typedef struct { uint32_t type; const void *next; uint32_t flags; size_t bytes; const void *data; } CacheInfo;
typedef struct { uint32_t id, offset; size_t size; } SpecEntry;
typedef struct { uint32_t count; const SpecEntry *entry; size_t bytes; const void *data; } SpecInfo;
typedef struct { uint32_t type; const void *next; uint32_t flags, stage; uint64_t module; const char *name; const SpecInfo *spec; } StageInfo;
typedef struct { uint32_t type; const void *next; uint32_t size; } RequiredSubgroup;
typedef struct { uint32_t type; const void *next; uint32_t flags; StageInfo stage; uint64_t layout, base; int32_t base_index; } PipelineInfo;
typedef struct { uint32_t binding, kind, count, stages; const void *samplers; } LayoutBinding;
typedef struct { uint32_t type; const void *next; uint32_t flags, count; const LayoutBinding *binding; } SetLayoutInfo;
typedef struct { uint32_t stages, offset, size; } PushRange;
typedef struct { uint32_t type; const void *next; uint32_t flags, sets; const uint64_t *set; uint32_t pushes; const PushRange *push; } PipelineLayoutInfo;
typedef struct { uint32_t kind, count; } PoolSize;
typedef struct { uint32_t type; const void *next; uint32_t flags, sets, sizes; const PoolSize *size; } PoolInfo;
typedef struct { uint32_t type; const void *next; uint64_t pool; uint32_t count; const uint64_t *layout; } SetInfo;
typedef struct { uint64_t buffer, offset, size; } BufferRange;
typedef struct { uint32_t type; const void *next; uint64_t set; uint32_t binding, element, count, kind; const void *images; const BufferRange *buffers; const uint64_t *views; } WriteSet;
typedef struct { uint32_t type; const void *next; uint32_t flags; uint64_t buffer; uint32_t format; uint64_t offset, size; } ViewInfo;
typedef struct { uint32_t type; const void *next; uint64_t pool; uint32_t level, count; } CommandInfo;
typedef struct { uint32_t type; const void *next; uint32_t flags; const void *inherit; } BeginInfo;
typedef struct { uint32_t type; const void *next; uint32_t from, to; } MemoryBarrier;
typedef struct { uint64_t from, to, size; } CopyRange;
typedef struct { uint32_t type; const void *next; uint32_t flags, kind, count, statistics; } QueryInfo;
typedef struct { uint32_t type; const void *next; uint32_t flags; } FenceInfo;
typedef struct { uint32_t type; const void *next; uint32_t waits; const uint64_t *wait; const uint32_t *wait_stage; uint32_t commands; ev_handle const *command; uint32_t signals; const uint64_t *signal; } SubmitInfo;

#endif
