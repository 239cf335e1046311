// reduce_add and reduce_max over the workgroup; every invocation gets the result.
//
// With SUBGROUP defined a workgroup is SUBGROUPS whole subgroups, and one
// subgroup needs neither shared memory nor a barrier. Without it the plain
// variant halves a shared array; LOCAL is a power of two there.

#ifdef SUBGROUP
layout(constant_id = 1) const uint SUBGROUPS = 1;

shared float reduce_part[SUBGROUPS];

float reduce_add(float x) {
    x = subgroupAdd(x);
    if (SUBGROUPS > 1) {
        if (subgroupElect()) reduce_part[gl_SubgroupID] = x;
        barrier();
        x = 0;
        for (uint i = 0; i < SUBGROUPS; i++) x += reduce_part[i];
        barrier();
    }
    return x;
}

float reduce_max(float x) {
    x = subgroupMax(x);
    if (SUBGROUPS > 1) {
        if (subgroupElect()) reduce_part[gl_SubgroupID] = x;
        barrier();
        for (uint i = 0; i < SUBGROUPS; i++) x = max(x, reduce_part[i]);
        barrier();
    }
    return x;
}
#else
layout(constant_id = 1) const uint SUBGROUPS = 0;

shared float reduce_part[LOCAL];

#define REDUCE(name, combine)                                                   \
    float name(float x) {                                                       \
        uint lane = gl_LocalInvocationID.x;                                     \
        reduce_part[lane] = x;                                                  \
        barrier();                                                              \
        for (uint half_ = LOCAL / 2; half_ > 0; half_ /= 2) {                   \
            if (lane < half_)                                                   \
                reduce_part[lane] = combine(reduce_part[lane], reduce_part[lane + half_]); \
            barrier();                                                          \
        }                                                                       \
        x = reduce_part[0];                                                     \
        barrier();                                                              \
        return x;                                                               \
    }

float add_(float a, float b) { return a + b; }
REDUCE(reduce_add, add_)
REDUCE(reduce_max, max)
#endif
