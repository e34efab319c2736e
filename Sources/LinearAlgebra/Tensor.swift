import Glibc
import Synchronization

/// A 64-byte aligned block of Float32 on the heap.
///
/// `base` is a `let`, so that a kernel can hoist it out of its loops: an element access through a stored array of a
/// class costs some two hundred times as much.
public final class Storage: @unchecked Sendable {
  public let base: UnsafeMutablePointer<Float>
  public let count: Int

  private let block: UnsafeMutableRawPointer
  private static let hugePage = 1 << 21
  /// Large blocks so far.
  private static let made = Atomic(0)

  /// Zeros.
  public convenience init(count: Int) {
    self.init(uninitialized: count)
    base.initialize(repeating: 0, count: count)
  }

  /// For what is written whole before it is read.
  public init(uninitialized count: Int) {
    precondition(count >= 0)
    self.count = count
    let bytes = max(64, (count * MemoryLayout<Float>.stride + 63) / 64 * 64)
    if bytes < 2 * Self.hugePage {
      block = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
      base = block.bindMemory(to: Float.self, capacity: count)
    } else {
      // Fresh pages of 4 kB cost more than what is done with them: a large network's weights are 15,000 of them.
      // Blocks that all began where a huge page does would compete for the same sets of the caches.
      let shift = Self.made.add(1, ordering: .relaxed).newValue % 16 * (4096 + 64)
      let whole = (bytes + shift + Self.hugePage - 1) / Self.hugePage * Self.hugePage
      block = UnsafeMutableRawPointer.allocate(byteCount: whole, alignment: Self.hugePage)
      madvise(block, whole, MADV_HUGEPAGE)
      base = (block + shift).bindMemory(to: Float.self, capacity: count)
    }
  }

  deinit { block.deallocate() }
}

/// A dense row-major array of Float32 with value semantics (copied when written to while shared).
///
/// This is the type of the library's borders: parameters, fixtures, files. Kernels take raw pointers obtained once
/// through `withUnsafeBufferPointer` or `withUnsafeMutableBufferPointer`.
public struct Tensor: @unchecked Sendable, Equatable {
  public private(set) var shape: [Int]
  public private(set) var storage: Storage

  public var count: Int { storage.count }

  /// Zeros of the given shape.
  public init(shape: [Int]) {
    self.shape = shape
    storage = Storage(count: shape.reduce(1, *))
  }

  /// - Precondition: `values.count` is the product of `shape`.
  public init(shape: [Int], values: [Float]) {
    self = values.withUnsafeBufferPointer { Tensor(shape: shape, elements: $0) }
  }

  /// A copy of `elements`, row-major.
  /// - Precondition: `elements.count` is the product of `shape`.
  public init(shape: [Int], elements: UnsafeBufferPointer<Float>) {
    self.shape = shape
    storage = Storage(uninitialized: shape.reduce(1, *))
    precondition(elements.count == count, "\(elements.count) values do not fill the shape \(shape)")
    if let p = elements.baseAddress { storage.base.update(from: p, count: count) }
  }

  public func reshaped(_ shape: [Int]) -> Tensor {
    precondition(shape.reduce(1, *) == count)
    var copy = self
    copy.shape = shape
    return copy
  }

  /// All elements in row-major order.
  public var values: [Float] { withUnsafeBufferPointer { Array($0) } }

  /// One element; slow (a bounds check and a uniqueness check each), for tests and borders.
  public subscript(_ indices: Int...) -> Float {
    get { storage.base[offset(indices)] }
    set {
      let o = offset(indices)
      withUnsafeMutableBufferPointer { $0[o] = newValue }
    }
  }

  private func offset(_ indices: [Int]) -> Int {
    precondition(indices.count == shape.count)
    return zip(indices, shape).reduce(0) { sum, pair in
      precondition(pair.0 >= 0 && pair.0 < pair.1, "index \(indices) outside the shape \(shape)")
      return sum * pair.1 + pair.0
    }
  }

  @inlinable
  public func withUnsafeBufferPointer<R>(_ body: (UnsafeBufferPointer<Float>) throws -> R) rethrows -> R {
    defer { withExtendedLifetime(storage) {} }
    return try body(UnsafeBufferPointer(start: storage.base, count: storage.count))
  }

  public mutating func withUnsafeMutableBufferPointer<R>(
    _ body: (UnsafeMutableBufferPointer<Float>) throws -> R
  ) rethrows -> R {
    if !isKnownUniquelyReferenced(&storage) {
      let copy = Storage(uninitialized: storage.count)
      copy.base.update(from: storage.base, count: storage.count)
      storage = copy
    }
    return try body(UnsafeMutableBufferPointer(start: storage.base, count: storage.count))
  }

  public static func == (a: Tensor, b: Tensor) -> Bool {
    a.shape == b.shape && a.withUnsafeBufferPointer { x in b.withUnsafeBufferPointer { y in x.elementsEqual(y) } }
  }
}

/// A dense row-major matrix of Float64, for circuits: conductances, voltages, currents.
public struct Matrix: Equatable, Sendable {
  public let rows: Int
  public let columns: Int
  public var values: [Double]

  public init(rows: Int, columns: Int) {
    self.init(rows: rows, columns: columns, values: [Double](repeating: 0, count: rows * columns))
  }

  /// - Precondition: `values.count == rows * columns`.
  public init(rows: Int, columns: Int, values: [Double]) {
    precondition(values.count == rows * columns, "\(values.count) values do not fill \(rows) × \(columns)")
    self.rows = rows
    self.columns = columns
    self.values = values
  }

  public subscript(_ row: Int, _ column: Int) -> Double {
    get { values[row * columns + column] }
    set { values[row * columns + column] = newValue }
  }

  public var transposed: Matrix {
    var t = Matrix(rows: columns, columns: rows)
    for i in 0..<rows { for j in 0..<columns { t[j, i] = self[i, j] } }
    return t
  }
}
