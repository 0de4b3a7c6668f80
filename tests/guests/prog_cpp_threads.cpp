// A C++ program: threads, mutex, condition variable, futures, exceptions, unordered containers, iostreams.
#include "guest.h"
#include <chrono>
#include <condition_variable>
#include <future>
#include <iostream>
#include <map>
#include <mutex>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

static std::mutex mutex;
static std::condition_variable condition;
static std::vector<std::string> messages;

static int risky(int n) {
    thread_local int calls = 0;
    calls++;
    if (n % 3 == 0)
        throw std::runtime_error("no " + std::to_string(n));
    return n * calls;
}

int main() {
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++)
        threads.emplace_back([i] {
            for (int k = 0; k < 10; k++) {
                std::this_thread::yield();
                std::unique_lock<std::mutex> lock(mutex);
                messages.push_back(std::to_string(i) + ":" + std::to_string(k));
                condition.notify_all();
            }
        });
    {
        std::unique_lock<std::mutex> lock(mutex);
        condition.wait(lock, [] { return messages.size() == 40; });
    }
    for (auto &t : threads)
        t.join();
    std::vector<std::future<int>> futures;
    for (int i = 1; i <= 6; i++)
        futures.push_back(std::async(std::launch::async, risky, i));
    int sum = 0, caught = 0;
    for (auto &f : futures)
        try {
            sum += f.get();
        } catch (const std::exception &e) {
            caught++;
        }
    CHECK_EQ(sum, 1 + 2 + 4 + 5);
    CHECK_EQ(caught, 2);
    std::unordered_map<std::string, int> where;
    for (size_t i = 0; i < messages.size(); i++)
        where[messages[i]] = static_cast<int>(i);
    uint64_t order = 0;
    for (const auto &m : messages)
        order = order * 31 + hash(m.data(), m.size());
    std::random_device device;
    auto now = std::chrono::system_clock::now().time_since_epoch().count();
    std::cout << "order " << std::hex << order << " random " << device() << " now " << std::dec << now << " first "
              << messages.front() << " entries " << where.size() << std::endl;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    auto *leak = new std::map<int, std::string>{{1, "one"}};
    std::cout << "map at " << static_cast<void *>(leak) << '\n';
    return 0;
}
