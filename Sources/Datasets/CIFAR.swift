/// The binary version of CIFAR-10 and CIFAR-100 (Krizhevsky 2009, www.cs.toronto.edu/~kriz/cifar.html): records of
///
///     CIFAR-10    label │ 1024 red │ 1024 green │ 1024 blue              3073 bytes
///     CIFAR-100   coarse label │ fine label │ red │ green │ blue         3074 bytes
///
/// each plane 32 rows of 32 bytes.
public enum CIFAR {
  /// Which of the two sets a file belongs to.
  public enum Variant: String, Sendable, CaseIterable {
    case cifar10
    case cifar100

    /// Bytes of labels before the pixels.
    var labelBytes: Int { self == .cifar10 ? 1 : 2 }

    /// Bytes of a record.
    public var recordSize: Int { labelBytes + CIFAR.pixels }

    /// Number of classes (the fine ones of CIFAR-100).
    public var classes: Int { self == .cifar10 ? 10 : 100 }
  }

  /// The records of one or more files.
  public struct Records: Equatable, Sendable {
    /// [count, 32, 32, 3]
    public var pixels: [UInt8] = []
    /// The class of each image; the fine one in CIFAR-100.
    public var labels: [Int] = []
    /// The superclass of each image (0..<20); empty in CIFAR-10.
    public var coarseLabels: [Int] = []
  }

  static let side = 32
  static let pixels = 3 * side * side

  /// Reads the files at `paths`, one after the other.
  /// - Throws: `DataError` as `FileBytes.read` and `parse` do.
  public static func read(_ paths: [String], _ variant: Variant) throws -> Records {
    var all = Records()
    for path in paths {
      let records = try parse(FileBytes.read(path), variant, name: path)
      all.pixels += records.pixels
      all.labels += records.labels
      all.coarseLabels += records.coarseLabels
    }
    return all
  }

  /// Reads a file from memory; planes become interleaved channels.
  /// - Parameter name: what sentences call the file.
  /// - Throws: `DataError` if the bytes are not a whole number of records (at least one) or a label is no class.
  public static func parse(_ bytes: [UInt8], _ variant: Variant, name: String) throws -> Records {
    let size = variant.recordSize
    guard !bytes.isEmpty, bytes.count % size == 0 else {
      throw DataError(
        "\(name): has \(bytes.count) bytes, expected one or more \(variant.rawValue) records of \(size) bytes each")
    }
    let count = bytes.count / size
    var records = Records()
    try bytes.withUnsafeBufferPointer { bytes in
      for i in 0..<count {
        let record = UnsafeBufferPointer(rebasing: bytes[i * size..<(i + 1) * size])
        let label = Int(record[variant.labelBytes - 1])
        guard label < variant.classes else { throw failure("label", label, variant.classes) }
        records.labels.append(label)
        if variant == .cifar100 {
          let coarse = Int(record[0])
          guard coarse < 20 else { throw failure("coarse label", coarse, 20) }
          records.coarseLabels.append(coarse)
        }
        func failure(_ what: String, _ found: Int, _ classes: Int) -> DataError {
          DataError("\(name): record \(i) has the \(what) \(found), expected 0 to \(classes - 1)")
        }
      }
      records.pixels = [UInt8](unsafeUninitializedCapacity: count * pixels) { buffer, initialized in
        let plane = side * side
        for i in 0..<count {
          let source = bytes.baseAddress! + i * size + variant.labelBytes
          let target = buffer.baseAddress! + i * pixels
          for p in 0..<plane {
            target[3 * p] = source[p]
            target[3 * p + 1] = source[plane + p]
            target[3 * p + 2] = source[2 * plane + p]
          }
        }
        initialized = count * pixels
      }
    }
    return records
  }
}
