// The C side of package vk: the calls that take lists of structures, and what is
// newer than the headers of vulkan-go. Functions return a VkResult where they can
// fail. Handles are pointers when Vulkan dispatches on them, else 64-bit numbers.
#ifndef ECLAT_VK_SHIM_H
#define ECLAT_VK_SHIM_H

#include <stddef.h>
#include <stdint.h>

typedef void *ev_handle;   // VkInstance, VkPhysicalDevice, VkDevice, VkQueue, VkCommandBuffer
typedef uint64_t ev_object; // every other handle

// ev_load opens the loader library; it returns vkGetInstanceProcAddr or NULL.
void *ev_load(void);

// ev_make_instance makes an instance of the newest version up to 1.3. messenger is
// 0 where none was asked for; user goes to evMessage with each message.
int32_t ev_make_instance(void *getproc, int validation, uintptr_t user,
	ev_handle *instance, ev_object *messenger, uint32_t *api, int *validating);
void ev_destroy_messenger(void *getproc, ev_handle instance, ev_object messenger);

#define EV_NAME 256

// ev_info is what vulkan-go's 1.0 queries don't say.
typedef struct {
	uint8_t uuid[16], driver_uuid[16];
	char driver[EV_NAME], driver_info[EV_NAME];
	uint32_t heaps, types;
	uint64_t heap_size[16], heap_budget[16], heap_used[16];
	uint32_t heap_flags[16], type_flags[32], type_heap[32];
	uint64_t max_allocation, max_buffer;
	uint32_t subgroup, subgroup_min, subgroup_max, subgroup_ops, subgroup_stages, required_stages;
	uint32_t compute_units;
	uint32_t queue_family, timestamp_bits; // queue_family is ~0 where none computes
	uint32_t storage8, storage16, float16, int8, int16, int64, int_dot, int_dot_fast;
	uint32_t size_control, full_subgroups, memory_model, memory_model_device, coopmat, coopmat2, budget, portability;
	uint32_t shapes, shape[32][3];
} ev_info;

int32_t ev_query(void *getproc, ev_handle instance, ev_handle physical, uint32_t api, ev_info *out);

// ev_device is an open device with the functions it was resolved with.
typedef struct ev_device ev_device;

int32_t ev_open(void *getproc, ev_handle instance, ev_handle physical, uint32_t api,
	const ev_info *info, ev_device **out, ev_handle *device);
void ev_close(ev_device *d); // destroys the device and frees d

// ev_budget reads the heaps' sizes, budgets and use into info.
void ev_budget(void *getproc, ev_handle instance, ev_handle physical, ev_info *info);

int32_t ev_cache(ev_device *d, const void *data, size_t size, ev_object *cache);
int32_t ev_cache_data(ev_device *d, ev_object cache, size_t *size, void *data);

// ev_pipeline makes a compute pipeline with its shader, layouts and constants.
// On failure nothing is left behind.
int32_t ev_pipeline(ev_device *d, ev_object cache, const uint32_t *code, size_t bytes,
	uint32_t storage, uint32_t texel, uint32_t push_words, const uint32_t *spec, uint32_t nspec,
	uint32_t subgroup, int full, ev_object *set_layout, ev_object *layout, ev_object *pipeline);

int32_t ev_pool(ev_device *d, uint32_t sets, uint32_t storage, uint32_t texel, ev_object *pool);
int32_t ev_set(ev_device *d, ev_object pool, ev_object layout, ev_object *set);
void ev_free_set(ev_device *d, ev_object pool, ev_object set);

// ev_write fills a set: storage ranges (buffer, offset, size) and then texel views.
int32_t ev_write(ev_device *d, ev_object set, uint32_t storage, const ev_object *buffers,
	const uint64_t *offsets, const uint64_t *sizes, uint32_t texel, const ev_object *views);
int32_t ev_view(ev_device *d, ev_object buffer, uint64_t offset, uint64_t size, ev_object *view);

int32_t ev_command(ev_device *d, ev_object pool, ev_handle *cmd); // allocates and begins
int32_t ev_end(ev_device *d, ev_handle cmd);
void ev_free_command(ev_device *d, ev_object pool, ev_handle cmd);
void ev_bind(ev_device *d, ev_handle cmd, ev_object pipeline, ev_object layout, ev_object set,
	const uint32_t *push, uint32_t words);
void ev_dispatch(ev_device *d, ev_handle cmd, uint32_t x, uint32_t y, uint32_t z);
void ev_dispatch_indirect(ev_device *d, ev_handle cmd, ev_object buffer, uint64_t offset);
void ev_barrier(ev_device *d, ev_handle cmd);
void ev_host_barrier(ev_device *d, ev_handle cmd);
void ev_copy(ev_device *d, ev_handle cmd, ev_object src, uint64_t src_at, ev_object dst, uint64_t dst_at, uint64_t n);
void ev_fill(ev_device *d, ev_handle cmd, ev_object buffer, uint64_t at, uint64_t n, uint32_t word);
int32_t ev_queries(ev_device *d, ev_handle cmd, uint32_t count, ev_object *pool); // makes and resets
void ev_destroy_queries(ev_device *d, ev_object pool);
void ev_timestamp(ev_device *d, ev_handle cmd, ev_object pool, uint32_t i);
int32_t ev_timestamps(ev_device *d, ev_object pool, uint32_t count, uint64_t *ticks);

int32_t ev_fence(ev_device *d, ev_object *fence);
void ev_destroy_fence(ev_device *d, ev_object fence);
int32_t ev_submit(ev_device *d, ev_handle cmd, ev_object fence);
int32_t ev_wait(ev_device *d, ev_object fence); // waits without end, then resets the fence

#endif
