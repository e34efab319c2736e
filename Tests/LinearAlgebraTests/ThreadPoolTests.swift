import LinearAlgebra
import Testing

@Suite("Thread pool") struct ThreadPoolTests {
  @Test("every item runs once, on a worker that exists", arguments: [1, 2, 3, 8], [0, 1, 2, 7, 1000])
  func coverage(threads: Int, count: Int) {
    let pool = ThreadPool(threads: threads)
    for _ in 0..<20 {
      let runs = Storage(count: count)
      let workers = Storage(count: count)
      pool.parallelFor(count) { item, worker in
        runs.base[item] += 1
        workers.base[item] = Float(worker)
      }
      #expect((0..<count).allSatisfy { runs.base[$0] == 1 })
      #expect((0..<count).allSatisfy { workers.base[$0] >= 0 && workers.base[$0] < Float(threads) })
    }
  }

  @Test("items of one worker never overlap in time: scratch memory by worker is safe")
  func workersAreExclusive() {
    let threads = 4
    let pool = ThreadPool(threads: threads)
    let scratch = Storage(count: threads * 4096)
    let wrong = Storage(count: 400)
    pool.parallelFor(400) { item, worker in
      let mine = scratch.base + worker * 4096
      for i in 0..<4096 { mine[i] = Float(item) }
      for i in 0..<4096 where mine[i] != Float(item) { wrong.base[item] += 1 }
    }
    #expect((0..<400).allSatisfy { wrong.base[$0] == 0 })
  }

  @Test("many short loops one after another all finish")
  func manyLoops() {
    let pool = ThreadPool(threads: 3)
    let sums = Storage(count: 64)
    for _ in 0..<5000 { pool.parallelFor(4) { item, _ in sums.base[item * 16] += 1 } }
    #expect((0..<4).allSatisfy { sums.base[$0 * 16] == 5000 })
  }

  @Test("pools come and go, and two work side by side")
  func severalPools() {
    for _ in 0..<20 {
      let a = ThreadPool(threads: 2)
      let b = ThreadPool(threads: 3)
      let sums = Storage(count: 200)
      a.parallelFor(100) { item, _ in sums.base[item] += 1 }
      b.parallelFor(100) { item, _ in sums.base[100 + item] += 1 }
      a.parallelFor(2) { item, _ in sums.base[item] += 1 }
      #expect((0..<200).allSatisfy { sums.base[$0] == ($0 < 2 ? 2 : 1) })
    }
  }
}
