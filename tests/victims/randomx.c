#include "randomx.h"

#include <pthread.h>
#include <randomx.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define MAX_THREADS 16

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

struct worker {
	const struct hashing *how;
	randomx_vm *vm;
	randomx_dataset *dataset;
	randomx_cache *cache;
	unsigned long first, items;
	int number;
	pthread_t thread;
};

static void *init_part(void *argument)
{
	struct worker *worker = argument;

	randomx_init_dataset(worker->dataset, worker->cache, worker->first, worker->items);
	return NULL;
}

static void *hash(void *argument)
{
	struct worker *worker = argument;
	const struct hashing *how = worker->how;
	double begin = now(), burst = begin;
	unsigned int nonce = 0;
	char out[RANDOMX_HASH_SIZE];

	while (now() - begin < how->seconds) {
		nonce++;
		randomx_calculate_hash(worker->vm, &nonce, sizeof(nonce), out);
		if (how->idle_ms && now() - burst >= how->busy_ms * 1e-3) {
			usleep((unsigned int)how->idle_ms * 1000);
			burst = now();
		}
	}
	return NULL;
}

int hash_randomx(const struct hashing *how)
{
	randomx_flags flags = randomx_get_flags() & ~RANDOMX_FLAG_JIT;
	struct worker workers[MAX_THREADS] = {{0}};
	randomx_dataset *dataset = NULL;
	randomx_cache *cache;
	int i;

	if (!how->interpreter)
		flags |= RANDOMX_FLAG_JIT;
	cache = randomx_alloc_cache(flags);
	if (!cache || how->threads > MAX_THREADS)
		return 1;
	randomx_init_cache(cache, "key", 3);
	if (how->fast) {
		unsigned long items = randomx_dataset_item_count(), part = items / (unsigned long)how->threads;

		flags |= RANDOMX_FLAG_FULL_MEM;
		dataset = randomx_alloc_dataset(flags);
		if (!dataset)
			return 2;
		for (i = 0; i < how->threads; i++) {
			workers[i].dataset = dataset;
			workers[i].cache = cache;
			workers[i].first = part * (unsigned long)i;
			workers[i].items = i + 1 < how->threads ? part : items - workers[i].first;
			pthread_create(&workers[i].thread, NULL, init_part, &workers[i]);
		}
		for (i = 0; i < how->threads; i++)
			pthread_join(workers[i].thread, NULL);
	}
	for (i = 0; i < how->threads; i++) {
		workers[i].how = how;
		workers[i].vm = randomx_create_vm(flags, how->fast ? NULL : cache, dataset);
		if (!workers[i].vm)
			return 3;
	}
	printf("hashing %.6f\n", now());
	fflush(stdout);
	for (i = 0; i < how->threads; i++)
		pthread_create(&workers[i].thread, NULL, hash, &workers[i]);
	for (i = 0; i < how->threads; i++)
		pthread_join(workers[i].thread, NULL);
	return 0;
}
