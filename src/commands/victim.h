// The demonstration's victim, a whole program in memory: see tests/victims/first_act.c.
#pragma once

extern "C" {
extern const unsigned char cryptnono_victim_begin[];
extern const unsigned char cryptnono_victim_end[];
}
