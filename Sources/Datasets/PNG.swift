import CZlib

/// Pictures as PNG (ISO/IEC 15948), 8 bits for each of red, green and blue.
public enum PNG {
  /// The file of a picture.
  ///
  /// - Parameter pixels: red, green and blue of each pixel, row by row: 3 · width · height bytes.
  /// - Precondition: width and height are positive, and `pixels` fits them.
  public static func encode(width: Int, height: Int, pixels: [UInt8]) -> [UInt8] {
    precondition(width > 0 && height > 0 && pixels.count == 3 * width * height)
    var file: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
    // Eight bits, colour, and the only methods of compression, filtering and order that there are without interlacing.
    append("IHDR", bigEndian(width) + bigEndian(height) + [8, 2, 0, 0, 0], to: &file)
    var lines: [UInt8] = []
    lines.reserveCapacity(height * (3 * width + 1))
    for y in 0..<height {
      // Unfiltered: areas of one colour are packed well as they are.
      lines.append(0)
      lines += pixels[3 * width * y..<3 * width * (y + 1)]
    }
    append("IDAT", deflated(lines), to: &file)
    append("IEND", [], to: &file)
    return file
  }

  private static func deflated(_ bytes: [UInt8]) -> [UInt8] {
    var size = compressBound(uLong(bytes.count))
    var packed = [UInt8](repeating: 0, count: Int(size))
    let status = compress2(&packed, &size, bytes, uLong(bytes.count), Z_BEST_COMPRESSION)
    precondition(status == Z_OK, "zlib has room for all, so only memory can be wanting")
    return Array(packed[..<Int(size)])
  }

  private static func append(_ kind: String, _ data: [UInt8], to file: inout [UInt8]) {
    let body = Array(kind.utf8) + data
    file += bigEndian(data.count) + body + bigEndian(Int(crc32(0, body, uInt(body.count))))
  }

  private static func bigEndian(_ n: Int) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: n >> (24 - 8 * $0)) } }
}
