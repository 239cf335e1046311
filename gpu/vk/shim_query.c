//go:build cgo && !novulkan

// Loading, instances, and what devices can do.
#include <stdlib.h>
#include <string.h>

#include "shim_types.h"

#if defined(_WIN32)
#include <windows.h>
#else
#include <dlfcn.h>
#endif

typedef void (*proc)(void);
typedef proc (EVAPI *get_proc)(ev_handle, const char *);

void *ev_load(void) {
#if defined(_WIN32)
	HMODULE lib = LoadLibraryA("vulkan-1.dll");
	return lib ? (void *)GetProcAddress(lib, "vkGetInstanceProcAddr") : NULL;
#else
#if defined(__APPLE__)
	static const char *const names[] = {"libvulkan.1.dylib", "libvulkan.dylib", "libMoltenVK.dylib",
		"/usr/local/lib/libvulkan.1.dylib", "/opt/homebrew/lib/libvulkan.1.dylib", "/opt/homebrew/lib/libMoltenVK.dylib"};
#else
	static const char *const names[] = {"libvulkan.so.1", "libvulkan.so"};
#endif
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		void *lib = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
		void *get = lib ? dlsym(lib, "vkGetInstanceProcAddr") : NULL;
		if (get)
			return get;
		if (lib)
			dlclose(lib);
	}
	return NULL;
#endif
}

void evMessage(uintptr_t user, uint32_t severity, char *message); // in Go

static uint32_t EVAPI on_message(uint32_t severity, uint32_t types, const MessageData *m, void *user) {
	(void)types;
	evMessage((uintptr_t)user, severity, (char *)m->message);
	return 0;
}

static int has_extension(const ExtensionProperties *e, uint32_t n, const char *name) {
	for (uint32_t i = 0; i < n; i++)
		if (!strcmp(e[i].name, name))
			return 1;
	return 0;
}

int32_t ev_make_instance(void *getproc, int validation, uintptr_t user,
	ev_handle *instance, ev_object *messenger, uint32_t *api, int *validating) {
	get_proc get = (get_proc)getproc;
	int32_t (EVAPI *version)(uint32_t *) = (void *)get(NULL, "vkEnumerateInstanceVersion");
	int32_t (EVAPI *extensions)(const char *, uint32_t *, ExtensionProperties *) = (void *)get(NULL, "vkEnumerateInstanceExtensionProperties");
	int32_t (EVAPI *layers)(uint32_t *, LayerProperties *) = (void *)get(NULL, "vkEnumerateInstanceLayerProperties");
	int32_t (EVAPI *create)(const InstanceInfo *, const void *, ev_handle *) = (void *)get(NULL, "vkCreateInstance");
	const uint32_t v11 = 1u << 22 | 1u << 12, v13 = 1u << 22 | 3u << 12;
	*api = 0;
	*messenger = 0;
	*validating = 0;
	if (!version || !extensions || !layers || !create || version(api) != 0 || *api < v11)
		return -9; // older than Vulkan 1.1
	if (*api > v13)
		*api = v13;

	static const char *const layer = "VK_LAYER_KHRONOS_validation";
	if (validation) {
		uint32_t n = 0;
		layers(&n, NULL);
		LayerProperties *all = calloc(n + 1, sizeof *all);
		layers(&n, all);
		for (uint32_t i = 0; i < n; i++)
			if (!strcmp(all[i].name, layer))
				*validating = 1;
		free(all);
	}
	uint32_t n = 0;
	extensions(NULL, &n, NULL);
	ExtensionProperties *ext = calloc(n + 1, sizeof *ext);
	extensions(NULL, &n, ext);
	const char *names[4];
	uint32_t count = 0, flags = 0;
	int debug = user && has_extension(ext, n, "VK_EXT_debug_utils");
	if (debug)
		names[count++] = "VK_EXT_debug_utils";
	if (has_extension(ext, n, "VK_KHR_portability_enumeration")) {
		names[count++] = "VK_KHR_portability_enumeration";
		flags = 1; // show devices that implement most of Vulkan, as MoltenVK
	}
	free(ext);
	if (*validating)
		names[count++] = "VK_EXT_validation_features"; // the layer's own

	// Warnings and errors of validation and of performance; the loader library's own
	// talk about other drivers is left out.
	MessengerInfo mi = {1000128004, NULL, 0, 0x1100, 0x6, on_message, (void *)user};
	const uint32_t enable[] = {4}; // synchronisation validation
	ValidationFeatures vf = {1000247000, debug ? &mi : NULL, 1, enable, 0, NULL};
	ApplicationInfo app = {0, NULL, "eclat", 1, "eclat", 1, *api};
	InstanceInfo info = {1, *validating ? (void *)&vf : debug ? (void *)&mi : NULL, flags, &app,
		*validating ? 1 : 0, &layer, count, names};
	int32_t r = create(&info, NULL, instance);
	if (r != 0 || !debug)
		return r;
	int32_t (EVAPI *make)(ev_handle, const MessengerInfo *, const void *, ev_object *) = (void *)get(*instance, "vkCreateDebugUtilsMessengerEXT");
	if (make && make(*instance, &mi, NULL, messenger) != 0)
		*messenger = 0;
	return 0;
}

void ev_destroy_messenger(void *getproc, ev_handle instance, ev_object messenger) {
	void (EVAPI *destroy)(ev_handle, ev_object, const void *) = (void *)((get_proc)getproc)(instance, "vkDestroyDebugUtilsMessengerEXT");
	if (messenger && destroy)
		destroy(instance, messenger, NULL);
}

static void read_memory(get_proc get, ev_handle instance, ev_handle physical, ev_info *o) {
	void (EVAPI *memory)(ev_handle, MemoryProperties2 *) = (void *)get(instance, "vkGetPhysicalDeviceMemoryProperties2");
	MemoryBudget budget = {1000237000};
	MemoryProperties2 m = {1000059006, o->budget ? &budget : NULL};
	memory(physical, &m);
	o->heaps = m.heaps;
	o->types = m.types;
	for (uint32_t i = 0; i < m.heaps; i++) {
		o->heap_size[i] = m.h[i].size;
		o->heap_flags[i] = m.h[i].flags;
		o->heap_budget[i] = o->budget ? budget.budget[i] : m.h[i].size;
		o->heap_used[i] = budget.used[i];
	}
	for (uint32_t i = 0; i < m.types; i++) {
		o->type_flags[i] = m.t[i].flags;
		o->type_heap[i] = m.t[i].heap;
	}
}

void ev_budget(void *getproc, ev_handle instance, ev_handle physical, ev_info *info) {
	read_memory((get_proc)getproc, instance, physical, info);
}

// CHAIN puts structure s in front of the chain that begins at head.
#define CHAIN(head, s) ((s).next = (head), (head) = &(s))

int32_t ev_query(void *getproc, ev_handle instance, ev_handle physical, uint32_t api, ev_info *o) {
	get_proc get = (get_proc)getproc;
	int32_t (EVAPI *extensions)(ev_handle, const char *, uint32_t *, ExtensionProperties *) = (void *)get(instance, "vkEnumerateDeviceExtensionProperties");
	void (EVAPI *properties)(ev_handle, Properties2 *) = (void *)get(instance, "vkGetPhysicalDeviceProperties2");
	void (EVAPI *features)(ev_handle, Features *) = (void *)get(instance, "vkGetPhysicalDeviceFeatures2");
	void (EVAPI *families)(ev_handle, uint32_t *, QueueFamily *) = (void *)get(instance, "vkGetPhysicalDeviceQueueFamilyProperties");
	memset(o, 0, sizeof *o);
	if (!extensions || !properties || !features || !families)
		return -9;
	const int v12 = api >= (1u << 22 | 2u << 12), v13 = api >= (1u << 22 | 3u << 12);
	uint32_t n = 0;
	int32_t r = extensions(physical, NULL, &n, NULL);
	if (r < 0)
		return r;
	ExtensionProperties *ext = calloc(n + 1, sizeof *ext);
	extensions(physical, NULL, &n, ext);
#define HAS(name) has_extension(ext, n, name)
	const int size_control = v13 || HAS("VK_EXT_subgroup_size_control"), int_dot = v13 || HAS("VK_KHR_shader_integer_dot_product");
	const int coopmat = HAS("VK_KHR_cooperative_matrix");

	void *chain = NULL;
	IDProperties id = {1000071004};
	Maintenance3 m3 = {1000168000};
	SubgroupProperties sub = {1000094000};
	Maintenance4 m4 = {1000413001};
	DriverProperties driver = {1000196000};
	SubgroupSizeProperties size = {1000225000};
	IntDotProperties dot = {1000280001};
	CorePropertiesAMD amd = {1000185000};
	CorePropertiesNV nv = {1000154001};
	CHAIN(chain, id);
	CHAIN(chain, m3);
	CHAIN(chain, sub);
	if (v13 || HAS("VK_KHR_maintenance4"))
		CHAIN(chain, m4);
	if (v12 || HAS("VK_KHR_driver_properties"))
		CHAIN(chain, driver);
	if (size_control)
		CHAIN(chain, size);
	if (int_dot)
		CHAIN(chain, dot);
	if (HAS("VK_AMD_shader_core_properties"))
		CHAIN(chain, amd);
	if (HAS("VK_NV_shader_sm_builtins"))
		CHAIN(chain, nv);
	Properties2 p = {1000059001, chain};
	properties(physical, &p);

	chain = NULL;
	Features s16 = {1000083000}, s8 = {1000177000}, f16 = {1000082000}, dotf = {1000280000};
	Features ctl = {1000225002}, mm = {1000211000}, cm = {1000506000}, cm2 = {1000593000};
	CHAIN(chain, s16);
	if (v12 || HAS("VK_KHR_8bit_storage"))
		CHAIN(chain, s8);
	if (v12 || HAS("VK_KHR_shader_float16_int8"))
		CHAIN(chain, f16);
	if (v12 || HAS("VK_KHR_vulkan_memory_model"))
		CHAIN(chain, mm);
	if (int_dot)
		CHAIN(chain, dotf);
	if (size_control)
		CHAIN(chain, ctl);
	if (coopmat)
		CHAIN(chain, cm);
	if (coopmat && HAS("VK_NV_cooperative_matrix2"))
		CHAIN(chain, cm2);
	Features f = {1000059000, chain};
	features(physical, &f);

	memcpy(o->uuid, id.device, 16);
	memcpy(o->driver_uuid, id.driver, 16);
	memcpy(o->driver, driver.name, EV_NAME);
	memcpy(o->driver_info, driver.info, EV_NAME);
	o->max_allocation = m3.allocation;
	o->max_buffer = m4.buffer;
	o->subgroup = o->subgroup_min = o->subgroup_max = sub.size;
	o->subgroup_ops = sub.operations;
	o->subgroup_stages = sub.stages;
	o->compute_units = amd.units ? amd.engines * amd.arrays * amd.units : nv.units;
	o->storage16 = s16.on[0];
	o->storage8 = s8.on[0];
	o->float16 = f16.on[0];
	o->int8 = f16.on[1];
	o->int64 = f.on[40];
	o->int16 = f.on[41];
	o->int_dot = dotf.on[0];
	o->int_dot_fast = dot.accelerated[4]; // 4×8-bit packed, signed
	o->memory_model = mm.on[0];
	o->memory_model_device = mm.on[1];
	o->coopmat = cm.on[0];
	o->coopmat2 = cm2.on[0];
	o->portability = HAS("VK_KHR_portability_subset");
	o->budget = HAS("VK_EXT_memory_budget");
	if (size_control && ctl.on[0] && (size.stages & 0x20)) {
		o->size_control = 1;
		o->full_subgroups = ctl.on[1];
		o->subgroup_min = size.min;
		o->subgroup_max = size.max;
	}
	free(ext);
#undef HAS
	read_memory(get, instance, physical, o);

	uint32_t count = 0;
	families(physical, &count, NULL);
	QueueFamily *q = calloc(count + 1, sizeof *q);
	families(physical, &count, q);
	o->queue_family = ~0u;
	for (uint32_t i = 0; i < count; i++)
		if (q[i].flags & 2 && (o->queue_family == ~0u || !(q[i].flags & 1))) { // compute; rather without graphics
			o->queue_family = i;
			o->timestamp_bits = q[i].timestamp_bits;
			if (!(q[i].flags & 1))
				break;
		}
	free(q);

	int32_t (EVAPI *shapes)(ev_handle, uint32_t *, CoopmatProperties *) = (void *)get(instance, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR");
	if (o->coopmat && shapes) {
		count = 0;
		shapes(physical, &count, NULL);
		if (count > 1024)
			count = 1024;
		CoopmatProperties *all = calloc(count + 1, sizeof *all);
		for (uint32_t i = 0; i < count; i++)
			all[i].type = 1000506001;
		shapes(physical, &count, all);
		for (uint32_t i = 0; i < count && o->shapes < 32; i++) {
			const CoopmatProperties *s = &all[i];
			int real = 0; // float32 sums of the same size
			for (uint32_t j = 0; j < count; j++)
				real |= all[j].m == s->m && all[j].n == s->n && all[j].result == 1 && all[j].scope == 3;
			if (real && s->a == 3 && s->b == 3 && s->c == 5 && s->result == 5 && !s->saturating && s->scope == 3) { // s8·s8 → s32 in a subgroup
				uint32_t *to = o->shape[o->shapes++];
				to[0] = s->m;
				to[1] = s->n;
				to[2] = s->k;
			}
		}
		free(all);
	}
	return 0;
}
