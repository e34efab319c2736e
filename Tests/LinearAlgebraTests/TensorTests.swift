import LinearAlgebra
import Testing

@Suite("Tensors") struct TensorTests {
  @Test("a copy is a value: writing to it leaves the first alone")
  func values() {
    let a = Tensor(shape: [2, 3], values: [1, 2, 3, 4, 5, 6])
    var b = a
    b[1, 2] = 60
    #expect(a[1, 2] == 6)
    #expect(b[1, 2] == 60)
    var c = b
    c.withUnsafeMutableBufferPointer { $0[0] = -1 }
    #expect(b[0, 0] == 1)
    #expect(c[0, 0] == -1)
    let address = c.withUnsafeBufferPointer { $0.baseAddress }
    c[0, 1] = 7
    #expect(c.withUnsafeBufferPointer { $0.baseAddress } == address, "alone, it is written in place")
  }

  @Test("a reshaped tensor has the same elements in the same order, and equality looks at both")
  func reshaped() {
    let a = Tensor(shape: [2, 3], values: [1, 2, 3, 4, 5, 6])
    var b = a.reshaped([3, 2])
    #expect(b.shape == [3, 2])
    #expect(b.values == a.values)
    #expect(b[2, 1] == 6)
    #expect(a != b)
    #expect(b.reshaped([2, 3]) == a)
    b[0, 0] = 9
    #expect(a[0, 0] == 1)
  }

  @Test("a new tensor is zeros, aligned to 64 bytes", arguments: [[], [0], [1], [3, 0, 2], [5, 7, 11]] as [[Int]])
  func zeros(shape: [Int]) {
    let t = Tensor(shape: shape)
    #expect(t.count == shape.reduce(1, *))
    #expect(t.values.allSatisfy { $0 == 0 })
    #expect(Int(bitPattern: t.storage.base) % 64 == 0)
  }

  @Test("a matrix transposes, and is a value")
  func matrix() {
    let m = Matrix(rows: 2, columns: 3, values: [1, 2, 3, 4, 5, 6])
    #expect(m.transposed.values == [1, 4, 2, 5, 3, 6])
    #expect(m.transposed.transposed == m)
    var n = m
    n[0, 1] = 8
    #expect(m[0, 1] == 2)
  }
}
