# Written by scripts/gen-files; run it after adding, moving or removing a source file.

lib_files = \
	lib/check.c \
	lib/check.h \
	lib/clock.c \
	lib/clock.h \
	lib/compiler.h \
	lib/epoch.c \
	lib/epoch.h \
	lib/glob.c \
	lib/glob.h \
	lib/hash.c \
	lib/hash.h \
	lib/lock.c \
	lib/lock.h \
	lib/mem.c \
	lib/mem.h \
	lib/num.c \
	lib/num.h \
	lib/out.c \
	lib/out.h \
	lib/slice.c \
	lib/slice.h \
	lib/status.h

tables_files = \
	tables/commands.h \
	tables/errors.h \
	tables/locks.h \
	tables/metrics.h \
	tables/options.h \
	tables/policies.h

proto_files = \
	proto/command.c \
	proto/command.h \
	proto/errors.c \
	proto/mc_meta.c \
	proto/mc_meta.h \
	proto/mc_text.c \
	proto/mc_text.h \
	proto/request.h \
	proto/resp.c \
	proto/resp.h

policies_files = \
	policies/arc.c \
	policies/array.c \
	policies/array.h \
	policies/clock.c \
	policies/fifo.c \
	policies/gdsf.c \
	policies/ghost.c \
	policies/ghost.h \
	policies/heap.c \
	policies/heap.h \
	policies/lfu.c \
	policies/list.h \
	policies/lru.c \
	policies/noeviction.c \
	policies/policy.c \
	policies/policy.h \
	policies/queue.c \
	policies/queue.h \
	policies/random.c \
	policies/s3fifo.c \
	policies/sieve.c \
	policies/sketch.c \
	policies/sketch.h \
	policies/slru.c \
	policies/tinylfu.c \
	policies/ttl.c \
	policies/twoq.c

store_files = \
	store/housekeep.c \
	store/index.c \
	store/index.h \
	store/item.c \
	store/item.h \
	store/shard.c \
	store/shard.h \
	store/store.c \
	store/store.h

backing_files =

server_files = \
	server/cmd_mc.h \
	server/cmd_mc_admin.c \
	server/cmd_mc_get.c \
	server/cmd_mc_meta.c \
	server/cmd_mc_store.c \
	server/cmd_resp_command.c \
	server/cmd_resp_conn.c \
	server/cmd_resp_keys.c \
	server/cmd_resp_multi.c \
	server/cmd_resp_server.c \
	server/cmd_resp_string.c \
	server/cmd_resp_update.c \
	server/config.c \
	server/config.h \
	server/conn.c \
	server/conn.h \
	server/handlers.c \
	server/listen.c \
	server/listen.h \
	server/log.c \
	server/log.h \
	server/metrics.c \
	server/metrics.h \
	server/resp_util.c \
	server/resp_util.h \
	server/server.h \
	server/text.c \
	server/text.h \
	server/worker.c \
	server/worker.h

bench_files = \
	bench/histogram.c \
	bench/histogram.h \
	bench/keygen.c \
	bench/keygen.h \
	bench/load_cpu.c \
	bench/load_cpu.h \
	bench/load_data.c \
	bench/load_data.h \
	bench/load_options.c \
	bench/load_options.h \
	bench/load_protocol.c \
	bench/load_protocol.h \
	bench/load_report.c \
	bench/load_report.h \
	bench/load_worker.c \
	bench/load_worker.h \
	bench/sim_cache.c \
	bench/sim_cache.h \
	bench/sim_report.c \
	bench/sim_report.h \
	bench/sim_trace.c \
	bench/sim_trace.h

unit_tests = \
	tests/unit/test_histogram \
	tests/unit/test_index \
	tests/unit/test_item \
	tests/unit/test_keygen \
	tests/unit/test_lib \
	tests/unit/test_load_protocol \
	tests/unit/test_mc_meta \
	tests/unit/test_mc_text \
	tests/unit/test_policies \
	tests/unit/test_resp \
	tests/unit/test_sim \
	tests/unit/test_store
tests_unit_test_histogram_SOURCES = tests/unit/test_histogram.c
tests_unit_test_histogram_LDADD = $(LINK_bench) $(CMOCKA_LIBS)
tests_unit_test_index_SOURCES = tests/unit/test_index.c
tests_unit_test_index_LDADD = $(LINK_store) $(CMOCKA_LIBS)
tests_unit_test_item_SOURCES = tests/unit/test_item.c
tests_unit_test_item_LDADD = $(LINK_store) $(CMOCKA_LIBS)
tests_unit_test_keygen_SOURCES = tests/unit/test_keygen.c
tests_unit_test_keygen_LDADD = $(LINK_bench) $(CMOCKA_LIBS)
tests_unit_test_lib_SOURCES = tests/unit/test_lib.c
tests_unit_test_lib_LDADD = $(LINK_lib) $(CMOCKA_LIBS)
tests_unit_test_load_protocol_SOURCES = tests/unit/test_load_protocol.c
tests_unit_test_load_protocol_LDADD = $(LINK_bench) $(CMOCKA_LIBS)
tests_unit_test_mc_meta_SOURCES = tests/unit/test_mc_meta.c
tests_unit_test_mc_meta_LDADD = $(LINK_proto) $(CMOCKA_LIBS)
tests_unit_test_mc_text_SOURCES = tests/unit/test_mc_text.c
tests_unit_test_mc_text_LDADD = $(LINK_proto) $(CMOCKA_LIBS)
tests_unit_test_policies_SOURCES = tests/unit/test_policies.c
tests_unit_test_policies_LDADD = $(LINK_policies) $(CMOCKA_LIBS)
tests_unit_test_resp_SOURCES = tests/unit/test_resp.c
tests_unit_test_resp_LDADD = $(LINK_proto) $(CMOCKA_LIBS)
tests_unit_test_sim_SOURCES = tests/unit/test_sim.c
tests_unit_test_sim_LDADD = $(LINK_bench) $(CMOCKA_LIBS)
tests_unit_test_store_SOURCES = tests/unit/test_store.c
tests_unit_test_store_LDADD = $(LINK_store) $(CMOCKA_LIBS)

fuzz_targets = \
	tests/fuzz/fuzz_mc \
	tests/fuzz/fuzz_resp
tests_fuzz_fuzz_mc_SOURCES = tests/fuzz/fuzz_mc.c $(fuzz_driver)
tests_fuzz_fuzz_mc_LDADD = $(LINK_proto) $(FUZZ_LIBS)
tests_fuzz_fuzz_resp_SOURCES = tests/fuzz/fuzz_resp.c $(fuzz_driver)
tests_fuzz_fuzz_resp_LDADD = $(LINK_proto) $(FUZZ_LIBS)

doc_files = \
	docs/add-a-thing.md \
	docs/building.md \
	docs/commands.md \
	docs/dependencies.md \
	docs/life-of-a-get.md \
	docs/locking.md \
	docs/metrics.md \
	docs/options.md \
	docs/policies.md

example_files = \
	examples/quickstart.conf
