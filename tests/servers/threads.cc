// C++ threads: futures, condition variables, shared mutexes, exceptions and thread-locals.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <future>
#include <iostream>
#include <map>
#include <mutex>
#include <queue>
#include <random>
#include <shared_mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

static void require(bool holds, const char *what) {
    if (!holds) {
        std::cerr << "failed: " << what << std::endl;
        std::exit(1);
    }
}

template <typename T> class Channel {
    std::mutex mutex;
    std::condition_variable changed;
    std::queue<T> items;
    bool closed = false;

  public:
    void send(T item) {
        std::lock_guard<std::mutex> guard(mutex);
        items.push(std::move(item));
        changed.notify_one();
    }
    void close() {
        std::lock_guard<std::mutex> guard(mutex);
        closed = true;
        changed.notify_all();
    }
    bool receive(T &item) {
        std::unique_lock<std::mutex> lock(mutex);
        changed.wait(lock, [this] { return closed || !items.empty(); });
        if (items.empty())
            return false;
        item = std::move(items.front());
        items.pop();
        return true;
    }
};

struct Counted {
    static std::atomic<int> gone;
    std::thread::id id = std::this_thread::get_id();
    ~Counted() { gone++; }
};
std::atomic<int> Counted::gone{0};
thread_local Counted counted;

int main() {
    Channel<int> jobs;
    Channel<std::pair<int, long>> results;
    std::vector<std::thread> team;
    for (int n = 0; n < 6; n++)
        team.emplace_back([&, n] {
            require(counted.id == std::this_thread::get_id(), "thread-local");
            int job;
            while (jobs.receive(job)) {
                if (job % 50 == 0)
                    std::this_thread::sleep_for(std::chrono::milliseconds(1));
                results.send({n, long(job) * job});
            }
        });
    for (int job = 0; job < 600; job++)
        jobs.send(job);
    jobs.close();
    for (auto &thread : team)
        thread.join();
    results.close();
    std::map<int, int> share;
    std::pair<int, long> result;
    long sum = 0, expected = 0;
    while (results.receive(result)) {
        share[result.first]++;
        sum += result.second;
    }
    for (long job = 0; job < 600; job++)
        expected += job * job;
    require(sum == expected, "sum");
    require(Counted::gone == 6, "thread-local destructors");
    for (auto &[thread, count] : share)
        std::cout << "thread " << thread << " did " << count << "\n";

    std::vector<std::future<int>> futures;
    for (int n = 0; n < 10; n++)
        futures.push_back(std::async(std::launch::async, [n] {
            if (n == 7)
                throw std::runtime_error("seven");
            return n;
        }));
    int total = 0;
    for (auto &future : futures) {
        try {
            total += future.get();
        } catch (const std::runtime_error &error) {
            std::cout << "caught " << error.what() << "\n";
            total += 100;
        }
    }
    require(total == 138, "futures");

    std::shared_mutex table_mutex;
    std::map<int, std::string> table;
    std::vector<std::thread> readers;
    std::atomic<int> seen{0};
    for (int n = 0; n < 4; n++)
        readers.emplace_back([&, n] {
            for (int i = 0; i < 50; i++) {
                if (n == 0) {
                    std::unique_lock lock(table_mutex);
                    table[i] = std::to_string(i);
                } else {
                    std::shared_lock lock(table_mutex);
                    seen += int(table.size());
                }
                std::this_thread::yield();
            }
        });
    for (auto &reader : readers)
        reader.join();
    require(table.size() == 50, "table");

    std::condition_variable_any never;
    std::mutex mutex;
    std::unique_lock<std::mutex> lock(mutex);
    auto status = never.wait_for(lock, std::chrono::milliseconds(20));
    require(status == std::cv_status::timeout, "timed wait");

    std::cout << "random " << std::random_device{}() << " seen " << seen << " at "
              << std::chrono::system_clock::now().time_since_epoch().count() << " main "
              << std::this_thread::get_id() << " heap " << new int << std::endl;
    return 0;
}
