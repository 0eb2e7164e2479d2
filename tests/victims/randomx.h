/* A real RandomX (librandomx), hashing for a few seconds, offline: what the monero detector must find. */
#ifndef VICTIMS_RANDOMX_H
#define VICTIMS_RANDOMX_H

struct hashing {
	int threads;
	int interpreter; /* instead of the JIT */
	int fast;	 /* 2 GiB dataset instead of the 256 MiB cache */
	double seconds;
	int busy_ms, idle_ms;	    /* duty cycle; idle_ms 0: always */
};

/* Builds cache (and dataset), prints "hashing <CLOCK_MONOTONIC seconds>" when the first hash begins, and hashes. */
int hash_randomx(const struct hashing *how);

#endif
