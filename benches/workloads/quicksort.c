/* Sorts pseudo-random numbers: `quicksort COUNT TIMES`. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static void sort(uint32_t *from, long count)
{
    while (count > 1) {
        uint32_t pivot = from[count / 2];
        long low = 0, high = count - 1;
        while (low <= high) {
            while (from[low] < pivot)
                low++;
            while (from[high] > pivot)
                high--;
            if (low <= high) {
                uint32_t other = from[low];
                from[low++] = from[high];
                from[high--] = other;
            }
        }
        /* The smaller part first: the stack stays small. */
        if (high + 1 < count - low) {
            sort(from, high + 1);
            from += low;
            count -= low;
        } else {
            sort(from + low, count - low);
            count = high + 1;
        }
    }
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    long count = atol(argv[1]), times = atol(argv[2]);
    uint32_t *numbers = malloc(count * sizeof *numbers);
    if (numbers == NULL)
        return 1;
    uint64_t state = 1, sum = 0;
    for (long time = 0; time < times; time++) {
        for (long i = 0; i < count; i++) {
            state = state * 6364136223846793005ull + 1442695040888963407ull;
            numbers[i] = (uint32_t)(state >> 32);
        }
        sort(numbers, count);
        for (long i = 1; i < count; i++)
            if (numbers[i - 1] > numbers[i])
                return 1;
        sum = sum * 31 + numbers[count / 2];
    }
    printf("%llu\n", (unsigned long long)sum);
    return 0;
}
