import Testing

@testable import LinearAlgebra

@Suite("BLAS") struct BLASTests {
  struct Product: CustomTestStringConvertible, Sendable {
    let m: Int
    let n: Int
    let k: Int
    var testDescription: String { "[\(m), \(k)] · [\(k), \(n)]" }
  }

  @Test(
    "a product agrees with three loops for every transposition, row length, α and β; nothing else is written",
    arguments: [
      Product(m: 1, n: 1, k: 1), Product(m: 3, n: 5, k: 7), Product(m: 16, n: 400, k: 120),
      Product(m: 33, n: 10, k: 65),
      Product(m: 6, n: 25, k: 784),
    ])
  func products(size: Product) {
    // Whole numbers: Float32 sums of them are exact, so equality is asked for.
    func whole(_ count: Int, _ index: UInt64) -> [Float] {
      RandomStream(seed: 5, purpose: 0, index: index).uniforms(count).map { ($0 * 17).rounded(.down) - 8 }
    }
    let (m, n, k) = (size.m, size.n, size.k)
    for (ta, tb) in [(false, false), (false, true), (true, false), (true, true)] {
      for (alpha, beta) in [(1, 0), (2, 1), (-1, 0.5)] as [(Float, Float)] {
        let lda = (ta ? m : k) + 3
        let ldb = (tb ? k : n) + 1
        let ldc = n + 2
        let a = whole((ta ? k : m) * lda, 1)
        let b = whole((tb ? n : k) * ldb, 2)
        let start = whole(m * ldc, 3)
        var expected = start.map(Double.init)
        for i in 0..<m {
          for j in 0..<n {
            var sum = 0.0
            for p in 0..<k {
              sum += Double(ta ? a[p * lda + i] : a[i * lda + p]) * Double(tb ? b[j * ldb + p] : b[p * ldb + j])
            }
            expected[i * ldc + j] = Double(alpha) * sum + Double(beta) * expected[i * ldc + j]
          }
        }
        var c = start
        BLAS.gemm(ta, tb, m: m, n: n, k: k, alpha: alpha, a, lda, b, ldb, beta: beta, &c, ldc)
        #expect(c.map(Double.init) == expected)
        var d = start.map(Double.init)
        BLAS.gemm(
          ta, tb, m: m, n: n, k: k, alpha: Double(alpha), a.map(Double.init), lda, b.map(Double.init), ldb,
          beta: Double(beta), &d, ldc)
        #expect(d == expected)
      }
    }
  }

  @Test("β = 0 overwrites what was there, even NaN")
  func overwrites() {
    let a: [Float] = [1, 2]
    let b: [Float] = [3, 4]
    var c = [Float.nan]
    BLAS.gemm(false, false, m: 1, n: 1, k: 2, a, 2, b, 1, &c, 1)
    #expect(c == [11])
  }

  @Test("a processor that OpenBLAS does not know is told of by what it can do; a known one is left alone")
  func betterCore() {
    #expect(BLAS.betterCore(than: "Prescott", hasAVX2: true, hasAVX512: true) == "SkylakeX")
    #expect(BLAS.betterCore(than: "Prescott", hasAVX2: true, hasAVX512: false) == "Haswell")
    #expect(BLAS.betterCore(than: "Prescott", hasAVX2: false, hasAVX512: false) == nil)
    for known in ["Haswell", "Zen", "SkylakeX", "Cooperlake", "Sapphirerapids"] {
      #expect(BLAS.betterCore(than: known, hasAVX2: true, hasAVX512: true) == nil)
    }
  }
}
