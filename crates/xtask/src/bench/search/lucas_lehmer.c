/* The test of Lucas and Lehmer on GMP, to compare the search with. It is built and run by the benchmark only.
 *
 * `lucas_lehmer EXPONENT` prints the nanoseconds of one step, s^2 - 2 modulo 2^p - 1, on a number that looks random: in
 * the fastest round of 40 that take 4 ms each, as the search's own steps are measured. GMP squares; the remainder is made
 * by shifting and adding, which is what makes Mersenne numbers cheap.
 */

#include <gmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS 40
#define ROUND_NS 4e6

static mpz_t s, square, high, modulus;

static void step(unsigned long p) {
    mpz_mul(square, s, s);
    mpz_tdiv_q_2exp(high, square, p);
    mpz_tdiv_r_2exp(s, square, p);
    mpz_add(s, s, high);
    mpz_sub_ui(s, s, 2);
    if (mpz_sgn(s) < 0) mpz_add(s, s, modulus);
    else if (mpz_cmp(s, modulus) >= 0) mpz_sub(s, s, modulus);
}

static void set_exponent(unsigned long p) {
    mpz_set_ui(modulus, 0);
    mpz_setbit(modulus, p);
    mpz_sub_ui(modulus, modulus, 1);
}

static int is_prime(unsigned long p) {
    set_exponent(p);
    mpz_set_ui(s, 4);
    for (unsigned long i = 2; i < p; i++) step(p);
    return mpz_sgn(s) == 0;
}

static double run(unsigned long p, unsigned long steps) {
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (unsigned long i = 0; i < steps; i++) step(p);
    clock_gettime(CLOCK_MONOTONIC, &end);
    return (double)(end.tv_sec - start.tv_sec) * 1e9 + (double)(end.tv_nsec - start.tv_nsec);
}

int main(int count, char **arguments) {
    unsigned long p = count == 2 ? strtoul(arguments[1], NULL, 10) : 0;
    if (p < 3) {
        fprintf(stderr, "usage: lucas_lehmer EXPONENT\n");
        return 2;
    }
    mpz_inits(s, square, high, modulus, NULL);
    if (!is_prime(2203) || is_prime(2207)) {
        fprintf(stderr, "the loop is wrong\n");
        return 1;
    }

    gmp_randstate_t random;
    gmp_randinit_mt(random);
    set_exponent(p);
    mpz_urandomm(s, random, modulus);
    unsigned long steps = 1;
    while (run(p, steps) < ROUND_NS) steps *= 2;
    double fastest = run(p, steps);
    for (int i = 1; i < ROUNDS; i++) {
        double ns = run(p, steps);
        if (ns < fastest) fastest = ns;
    }
    printf("{\"ns\":%.1f,\"gmp\":\"%s\"}\n", fastest / (double)steps, gmp_version);
    return 0;
}
