/// A cursor over bytes that refuses to go past their end: no reader here indexes a file in any other way.
struct ByteReader {
  let bytes: UnsafeRawBufferPointer
  /// What sentences call the file.
  let name: String
  private(set) var offset = 0

  init(_ bytes: UnsafeRawBufferPointer, name: String) {
    self.bytes = bytes
    self.name = name
  }

  var remaining: Int { bytes.count - offset }

  /// The next `count` bytes.
  mutating func take(_ count: Int, _ what: String) throws -> UnsafeRawBufferPointer {
    guard count >= 0, count <= remaining else {
      throw DataError(
        "\(name): ends after \(bytes.count) bytes, \(what) needs \(count) from byte \(offset): the file is cut short")
    }
    defer { offset += count }
    return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count])
  }

  mutating func byte(_ what: String) throws -> UInt8 { try take(1, what)[0] }

  mutating func bigEndian<T: FixedWidthInteger & BitwiseCopyable>(_: T.Type, _ what: String) throws -> T {
    T(bigEndian: try take(MemoryLayout<T>.size, what).loadUnaligned(as: T.self))
  }

  mutating func littleEndian<T: FixedWidthInteger & BitwiseCopyable>(_: T.Type, _ what: String) throws -> T {
    T(littleEndian: try take(MemoryLayout<T>.size, what).loadUnaligned(as: T.self))
  }
}

/// The order of the bytes of a number in a file.
enum ByteOrder { case little, big }

/// `count` numbers of type T from the front of `bytes`, which hold at least that many.
func decodeNumbers<T: BitwiseCopyable>(
  _: T.Type, _ bytes: UnsafeRawBufferPointer, count: Int, order: ByteOrder
) -> [T] {
  let size = MemoryLayout<T>.size
  precondition(count >= 0 && bytes.count / size >= count)
  return [T](unsafeUninitializedCapacity: count) { buffer, initialized in
    let raw = UnsafeMutableRawBufferPointer(buffer)
    raw.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[0..<count * size]))
    if (order == .big) == (1.littleEndian == 1) {
      switch size {
      case 2: swapBytes(raw, UInt16.self, count)
      case 4: swapBytes(raw, UInt32.self, count)
      case 8: swapBytes(raw, UInt64.self, count)
      default: break
      }
    }
    initialized = count
  }
}

private func swapBytes<U: FixedWidthInteger & BitwiseCopyable>(
  _ raw: UnsafeMutableRawBufferPointer, _: U.Type, _ count: Int
) {
  for i in 0..<count {
    let at = i * MemoryLayout<U>.size
    raw.storeBytes(of: raw.loadUnaligned(fromByteOffset: at, as: U.self).byteSwapped, toByteOffset: at, as: U.self)
  }
}

/// IEEE 754 binary16 as Float32, exactly (the 2^-24 of subnormals is a normal Float32).
func floatFromHalf(_ half: UInt16) -> Float {
  let sign: Float = half >> 15 == 0 ? 1 : -1
  let exponent = UInt32(half >> 10 & 0x1f)
  let fraction = UInt32(half & 0x3ff)
  switch exponent {
  case 0: return sign * Float(fraction) * 0x1p-24
  case 0x1f: return Float(bitPattern: UInt32(half >> 15) << 31 | 0x7f80_0000 | fraction << 13)
  default: return Float(bitPattern: UInt32(half >> 15) << 31 | (exponent + 112) << 23 | fraction << 13)
  }
}

/// bfloat16 (the upper half of a Float32) as Float32.
func floatFromBrain(_ brain: UInt16) -> Float { Float(bitPattern: UInt32(brain) << 16) }
