// No include guard: read ahead of each generated file of a translation unit, see CMakeLists.txt.
// The compiler of messages gives these two names to a table of every file.
#define LATHE_JOINED_AGAIN(name, file) name##_##file
#define LATHE_JOINED(name, file) LATHE_JOINED_AGAIN(name, file)
#undef file_default_instances
#undef schemas
#define file_default_instances LATHE_JOINED(file_default_instances, LATHE_GENERATED_FILE)
#define schemas LATHE_JOINED(schemas, LATHE_GENERATED_FILE)
