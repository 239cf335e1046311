//go:build cgo && !novulkan

// An open device: pipelines, descriptors, commands, submission.
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <string.h>

#include "shim_types.h"

typedef void (*proc)(void);
typedef proc (EVAPI *get_proc)(ev_handle, const char *);

// The device's functions: name, result, parameters.
#define FUNCTIONS(F) \
	F(DestroyDevice, void, (ev_handle, const void *)) \
	F(GetDeviceQueue, void, (ev_handle, uint32_t, uint32_t, ev_handle *)) \
	F(CreatePipelineCache, int32_t, (ev_handle, const CacheInfo *, const void *, ev_object *)) \
	F(GetPipelineCacheData, int32_t, (ev_handle, ev_object, size_t *, void *)) \
	F(CreateShaderModule, int32_t, (ev_handle, const ModuleInfo *, const void *, ev_object *)) \
	F(DestroyShaderModule, void, (ev_handle, ev_object, const void *)) \
	F(CreateDescriptorSetLayout, int32_t, (ev_handle, const SetLayoutInfo *, const void *, ev_object *)) \
	F(DestroyDescriptorSetLayout, void, (ev_handle, ev_object, const void *)) \
	F(CreatePipelineLayout, int32_t, (ev_handle, const PipelineLayoutInfo *, const void *, ev_object *)) \
	F(DestroyPipelineLayout, void, (ev_handle, ev_object, const void *)) \
	F(CreateComputePipelines, int32_t, (ev_handle, ev_object, uint32_t, const PipelineInfo *, const void *, ev_object *)) \
	F(CreateDescriptorPool, int32_t, (ev_handle, const PoolInfo *, const void *, ev_object *)) \
	F(AllocateDescriptorSets, int32_t, (ev_handle, const SetInfo *, ev_object *)) \
	F(FreeDescriptorSets, int32_t, (ev_handle, ev_object, uint32_t, const ev_object *)) \
	F(UpdateDescriptorSets, void, (ev_handle, uint32_t, const WriteSet *, uint32_t, const void *)) \
	F(CreateBufferView, int32_t, (ev_handle, const ViewInfo *, const void *, ev_object *)) \
	F(AllocateCommandBuffers, int32_t, (ev_handle, const CommandInfo *, ev_handle *)) \
	F(FreeCommandBuffers, void, (ev_handle, ev_object, uint32_t, const ev_handle *)) \
	F(BeginCommandBuffer, int32_t, (ev_handle, const BeginInfo *)) \
	F(EndCommandBuffer, int32_t, (ev_handle)) \
	F(CmdBindPipeline, void, (ev_handle, uint32_t, ev_object)) \
	F(CmdBindDescriptorSets, void, (ev_handle, uint32_t, ev_object, uint32_t, uint32_t, const ev_object *, uint32_t, const uint32_t *)) \
	F(CmdPushConstants, void, (ev_handle, ev_object, uint32_t, uint32_t, uint32_t, const void *)) \
	F(CmdDispatch, void, (ev_handle, uint32_t, uint32_t, uint32_t)) \
	F(CmdDispatchIndirect, void, (ev_handle, ev_object, uint64_t)) \
	F(CmdPipelineBarrier, void, (ev_handle, uint32_t, uint32_t, uint32_t, uint32_t, const MemoryBarrier *, uint32_t, const void *, uint32_t, const void *)) \
	F(CmdCopyBuffer, void, (ev_handle, ev_object, ev_object, uint32_t, const CopyRange *)) \
	F(CmdFillBuffer, void, (ev_handle, ev_object, uint64_t, uint64_t, uint32_t)) \
	F(CreateQueryPool, int32_t, (ev_handle, const QueryInfo *, const void *, ev_object *)) \
	F(DestroyQueryPool, void, (ev_handle, ev_object, const void *)) \
	F(CmdResetQueryPool, void, (ev_handle, ev_object, uint32_t, uint32_t)) \
	F(CmdWriteTimestamp, void, (ev_handle, uint32_t, ev_object, uint32_t)) \
	F(GetQueryPoolResults, int32_t, (ev_handle, ev_object, uint32_t, uint32_t, size_t, void *, uint64_t, uint32_t)) \
	F(CreateFence, int32_t, (ev_handle, const FenceInfo *, const void *, ev_object *)) \
	F(DestroyFence, void, (ev_handle, ev_object, const void *)) \
	F(WaitForFences, int32_t, (ev_handle, uint32_t, const ev_object *, uint32_t, uint64_t)) \
	F(ResetFences, int32_t, (ev_handle, uint32_t, const ev_object *)) \
	F(QueueSubmit, int32_t, (ev_handle, uint32_t, const SubmitInfo *, ev_object))

struct ev_device {
	ev_handle dev, queue;
#define DECLARE(name, result, params) result (EVAPI *name) params;
	FUNCTIONS(DECLARE)
};

#define CHAIN(head, s) ((s).next = (head), (head) = &(s))

int32_t ev_open(void *getproc, ev_handle instance, ev_handle physical, uint32_t api,
	const ev_info *i, ev_device **out, ev_handle *device) {
	get_proc get = (get_proc)getproc;
	int32_t (EVAPI *create)(ev_handle, const DeviceInfo *, const void *, ev_handle *) = (void *)get(instance, "vkCreateDevice");
	get_proc device_proc = (get_proc)get(instance, "vkGetDeviceProcAddr");
	if (!create || !device_proc)
		return -3;
	const int v12 = api >= (1u << 22 | 2u << 12), v13 = api >= (1u << 22 | 3u << 12);

	const char *ext[16];
	uint32_t n = 0;
	void *chain = NULL;
	Features s16 = {1000083000}, s8 = {1000177000}, f16 = {1000082000}, dot = {1000280000};
	Features ctl = {1000225002}, mm = {1000211000}, cm = {1000506000}, cm2 = {1000593000};
	if (i->storage16) {
		s16.on[0] = 1;
		CHAIN(chain, s16);
	}
	if (i->storage8) {
		s8.on[0] = 1;
		CHAIN(chain, s8);
		if (!v12)
			ext[n++] = "VK_KHR_8bit_storage";
	}
	if (i->float16 || i->int8) {
		f16.on[0] = i->float16;
		f16.on[1] = i->int8;
		CHAIN(chain, f16);
		if (!v12)
			ext[n++] = "VK_KHR_shader_float16_int8";
	}
	if (i->memory_model) {
		mm.on[0] = 1;
		mm.on[1] = i->memory_model_device;
		CHAIN(chain, mm);
		if (!v12)
			ext[n++] = "VK_KHR_vulkan_memory_model";
	}
	if (i->int_dot) {
		dot.on[0] = 1;
		CHAIN(chain, dot);
		if (!v13)
			ext[n++] = "VK_KHR_shader_integer_dot_product";
	}
	if (i->size_control) {
		ctl.on[0] = 1;
		ctl.on[1] = i->full_subgroups;
		CHAIN(chain, ctl);
		if (!v13)
			ext[n++] = "VK_EXT_subgroup_size_control";
	}
	if (i->coopmat) {
		cm.on[0] = 1;
		CHAIN(chain, cm);
		ext[n++] = "VK_KHR_cooperative_matrix";
	}
	if (i->coopmat2) {
		cm2.on[0] = 1;
		CHAIN(chain, cm2);
		ext[n++] = "VK_NV_cooperative_matrix2";
	}
	if (i->budget)
		ext[n++] = "VK_EXT_memory_budget";
	if (i->portability)
		ext[n++] = "VK_KHR_portability_subset";
	Features core = {1000059000, chain};
	core.on[40] = i->int64;
	core.on[41] = i->int16;

	const float priority = 1;
	QueueInfo queue = {2, NULL, 0, i->queue_family, 1, &priority};
	DeviceInfo info = {3, &core, 0, 1, &queue, 0, NULL, n, ext, NULL};
	ev_handle dev = NULL;
	int32_t r = create(physical, &info, NULL, &dev);
	if (r != 0)
		return r;
	ev_device *d = calloc(1, sizeof *d);
	if (!d)
		return -1;
	d->dev = dev;
#define RESOLVE(name, result, params) d->name = (void *)device_proc(dev, "vk" #name);
	FUNCTIONS(RESOLVE)
	d->GetDeviceQueue(dev, i->queue_family, 0, &d->queue);
	*out = d;
	*device = dev;
	return 0;
}

void ev_close(ev_device *d) {
	d->DestroyDevice(d->dev, NULL);
	free(d);
#ifdef __GLIBC__
	// The C library keeps what a driver's compiler freed, for each thread that ever
	// compiled: given back here, a program that opens devices again and again stays
	// as large as it was.
	malloc_trim(0);
#endif
}

int32_t ev_cache(ev_device *d, const void *data, size_t size, ev_object *cache) {
	CacheInfo info = {17, NULL, 0, size, data};
	return d->CreatePipelineCache(d->dev, &info, NULL, cache);
}

int32_t ev_cache_data(ev_device *d, ev_object cache, size_t *size, void *data) {
	return d->GetPipelineCacheData(d->dev, cache, size, data);
}

#define MAX_BINDINGS 32
#define MAX_SPEC 32

int32_t ev_pipeline(ev_device *d, ev_object cache, const uint32_t *code, size_t bytes,
	uint32_t storage, uint32_t texel, uint32_t push_words, const uint32_t *spec, uint32_t nspec,
	uint32_t subgroup, int full, ev_object *set_layout, ev_object *layout, ev_object *pipeline) {
	if (storage + texel > MAX_BINDINGS || nspec > MAX_SPEC)
		return -3;
	*set_layout = *layout = *pipeline = 0;
	LayoutBinding b[MAX_BINDINGS];
	for (uint32_t i = 0; i < storage + texel; i++)
		b[i] = (LayoutBinding){i, i < storage ? 7 : 4, 1, 0x20, NULL}; // storage or uniform texel buffer, compute stage
	SetLayoutInfo sl = {32, NULL, 0, storage + texel, b};
	ev_object module = 0;
	int32_t r = d->CreateDescriptorSetLayout(d->dev, &sl, NULL, set_layout);
	if (r == 0) {
		PushRange push = {0x20, 0, push_words * 4};
		PipelineLayoutInfo pl = {30, NULL, 0, 1, set_layout, push_words ? 1 : 0, &push};
		r = d->CreatePipelineLayout(d->dev, &pl, NULL, layout);
	}
	if (r == 0) {
		ModuleInfo mi = {16, NULL, 0, bytes, code};
		r = d->CreateShaderModule(d->dev, &mi, NULL, &module);
	}
	if (r == 0) {
		SpecEntry e[MAX_SPEC];
		for (uint32_t i = 0; i < nspec; i++)
			e[i] = (SpecEntry){i, 4 * i, 4};
		SpecInfo si = {nspec, e, 4 * (size_t)nspec, spec};
		RequiredSubgroup req = {1000225001, NULL, subgroup};
		PipelineInfo pi = {29, NULL, 0,
			{18, subgroup ? &req : NULL, full ? 2 : 0, 0x20, module, "main", nspec ? &si : NULL},
			*layout, 0, -1};
		r = d->CreateComputePipelines(d->dev, cache, 1, &pi, NULL, pipeline);
	}
	if (module)
		d->DestroyShaderModule(d->dev, module, NULL);
	if (r != 0) {
		if (*layout)
			d->DestroyPipelineLayout(d->dev, *layout, NULL);
		if (*set_layout)
			d->DestroyDescriptorSetLayout(d->dev, *set_layout, NULL);
	}
	return r;
}

int32_t ev_pool(ev_device *d, uint32_t sets, uint32_t storage, uint32_t texel, ev_object *pool) {
	PoolSize sizes[2] = {{7, storage}, {4, texel}};
	PoolInfo info = {33, NULL, 1, sets, 2, sizes}; // sets can be freed one by one
	return d->CreateDescriptorPool(d->dev, &info, NULL, pool);
}

int32_t ev_set(ev_device *d, ev_object pool, ev_object layout, ev_object *set) {
	SetInfo info = {34, NULL, pool, 1, &layout};
	return d->AllocateDescriptorSets(d->dev, &info, set);
}

void ev_free_set(ev_device *d, ev_object pool, ev_object set) {
	d->FreeDescriptorSets(d->dev, pool, 1, &set);
}

int32_t ev_write(ev_device *d, ev_object set, uint32_t storage, const ev_object *buffers,
	const uint64_t *offsets, const uint64_t *sizes, uint32_t texel, const ev_object *views) {
	if (storage + texel > MAX_BINDINGS)
		return -3;
	BufferRange ranges[MAX_BINDINGS];
	WriteSet w[MAX_BINDINGS];
	for (uint32_t i = 0; i < storage; i++) {
		ranges[i] = (BufferRange){buffers[i], offsets[i], sizes[i]};
		w[i] = (WriteSet){35, NULL, set, i, 0, 1, 7, NULL, &ranges[i], NULL};
	}
	for (uint32_t i = 0; i < texel; i++)
		w[storage + i] = (WriteSet){35, NULL, set, storage + i, 0, 1, 4, NULL, NULL, &views[i]};
	d->UpdateDescriptorSets(d->dev, storage + texel, w, 0, NULL);
	return 0;
}

int32_t ev_view(ev_device *d, ev_object buffer, uint64_t offset, uint64_t size, ev_object *view) {
	ViewInfo info = {13, NULL, 0, buffer, 107, offset, size}; // R32G32B32A32_UINT
	return d->CreateBufferView(d->dev, &info, NULL, view);
}

int32_t ev_command(ev_device *d, ev_object pool, ev_handle *cmd) {
	CommandInfo info = {40, NULL, pool, 0, 1};
	int32_t r = d->AllocateCommandBuffers(d->dev, &info, cmd);
	if (r != 0)
		return r;
	BeginInfo begin = {42, NULL, 0, NULL};
	r = d->BeginCommandBuffer(*cmd, &begin);
	if (r != 0)
		d->FreeCommandBuffers(d->dev, pool, 1, cmd);
	return r;
}

int32_t ev_end(ev_device *d, ev_handle cmd) { return d->EndCommandBuffer(cmd); }

void ev_free_command(ev_device *d, ev_object pool, ev_handle cmd) {
	d->FreeCommandBuffers(d->dev, pool, 1, &cmd);
}

void ev_bind(ev_device *d, ev_handle cmd, ev_object pipeline, ev_object layout, ev_object set,
	const uint32_t *push, uint32_t words) {
	d->CmdBindPipeline(cmd, 1, pipeline);
	d->CmdBindDescriptorSets(cmd, 1, layout, 0, 1, &set, 0, NULL);
	if (words)
		d->CmdPushConstants(cmd, layout, 0x20, 0, 4 * words, push);
}

void ev_dispatch(ev_device *d, ev_handle cmd, uint32_t x, uint32_t y, uint32_t z) {
	d->CmdDispatch(cmd, x, y, z);
}

void ev_dispatch_indirect(ev_device *d, ev_handle cmd, ev_object buffer, uint64_t offset) {
	d->CmdDispatchIndirect(cmd, buffer, offset);
}

// What dispatches, copies and fills before the barrier wrote is seen by those after it.
void ev_barrier(ev_device *d, ev_handle cmd) {
	// shader write and transfer write → shader read and write, transfer read and write, indirect read
	MemoryBarrier b = {46, NULL, 0x40 | 0x1000, 0x20 | 0x40 | 0x800 | 0x1000 | 0x1};
	d->CmdPipelineBarrier(cmd, 0x800 | 0x1000, 0x800 | 0x1000 | 0x2, 0, 1, &b, 0, NULL, 0, NULL);
}

// What was written before is seen by the host once the fence is signalled.
void ev_host_barrier(ev_device *d, ev_handle cmd) {
	MemoryBarrier b = {46, NULL, 0x40 | 0x1000, 0x2000};
	d->CmdPipelineBarrier(cmd, 0x800 | 0x1000, 0x4000, 0, 1, &b, 0, NULL, 0, NULL);
}

void ev_copy(ev_device *d, ev_handle cmd, ev_object src, uint64_t src_at, ev_object dst, uint64_t dst_at, uint64_t n) {
	CopyRange range = {src_at, dst_at, n};
	d->CmdCopyBuffer(cmd, src, dst, 1, &range);
}

void ev_fill(ev_device *d, ev_handle cmd, ev_object buffer, uint64_t at, uint64_t n, uint32_t word) {
	d->CmdFillBuffer(cmd, buffer, at, n, word);
}

int32_t ev_queries(ev_device *d, ev_handle cmd, uint32_t count, ev_object *pool) {
	QueryInfo info = {11, NULL, 0, 2, count, 0}; // timestamps
	int32_t r = d->CreateQueryPool(d->dev, &info, NULL, pool);
	if (r == 0)
		d->CmdResetQueryPool(cmd, *pool, 0, count);
	return r;
}

void ev_destroy_queries(ev_device *d, ev_object pool) { d->DestroyQueryPool(d->dev, pool, NULL); }

void ev_timestamp(ev_device *d, ev_handle cmd, ev_object pool, uint32_t i) {
	d->CmdWriteTimestamp(cmd, 0x2000, pool, i); // when all before has finished
}

int32_t ev_timestamps(ev_device *d, ev_object pool, uint32_t count, uint64_t *ticks) {
	return d->GetQueryPoolResults(d->dev, pool, 0, count, 8 * (size_t)count, ticks, 8, 1 | 2); // 64 bits, wait
}

int32_t ev_fence(ev_device *d, ev_object *fence) {
	FenceInfo info = {8, NULL, 0};
	return d->CreateFence(d->dev, &info, NULL, fence);
}

void ev_destroy_fence(ev_device *d, ev_object fence) { d->DestroyFence(d->dev, fence, NULL); }

int32_t ev_submit(ev_device *d, ev_handle cmd, ev_object fence) {
	SubmitInfo info = {4, NULL, 0, NULL, NULL, 1, &cmd, 0, NULL};
	return d->QueueSubmit(d->queue, 1, &info, fence);
}

int32_t ev_wait(ev_device *d, ev_object fence) {
	int32_t r = d->WaitForFences(d->dev, 1, &fence, 1, UINT64_MAX);
	return r == 0 ? d->ResetFences(d->dev, 1, &fence) : r;
}
