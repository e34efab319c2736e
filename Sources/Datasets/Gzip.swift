import CZlib

/// Unpacking gzip (RFC 1952) through zlib.
public enum Gzip {
  /// Whether `bytes` begin like a gzip file.
  public static func isGzip(_ bytes: UnsafeRawBufferPointer) -> Bool {
    bytes.count >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b
  }

  /// Unpacks `bytes`; several packed members in a row are one file, as for gunzip.
  ///
  /// The output grows as it is unpacked, so a small file that claims to be huge costs nothing.
  /// - Parameters:
  ///   - name: what sentences call the file.
  ///   - announced: given what is unpacked so far, the whole size as the content's own header tells it, or nil while
  ///     there is too little to tell. What unpacks to more is refused at once.
  /// - Throws: `DataError` if the data are damaged, cut short, followed by something else, or too long.
  public static func inflate(
    _ bytes: UnsafeRawBufferPointer, name: String, announced: (UnsafeRawBufferPointer) throws -> Int?
  ) throws -> [UInt8] {
    // zlib keeps the address of its stream, so it must not move.
    let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    stream.initialize(to: z_stream())
    defer { stream.deallocate() }
    guard inflateInit2_(stream, 16 + MAX_WBITS, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
      throw DataError("\(name): zlib could not be started (out of memory?)")
    }
    defer { inflateEnd(stream) }

    let chunk = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 1 << 16)
    defer { chunk.deallocate() }
    var output: [UInt8] = []
    var limit: Int?
    var fed = 0
    while true {
      if stream.pointee.avail_in == 0 {
        let piece = UnsafeRawBufferPointer(rebasing: bytes[fed..<min(bytes.count, fed + 1 << 30)])
        stream.pointee.next_in = UnsafeMutablePointer(mutating: piece.assumingMemoryBound(to: UInt8.self).baseAddress)
        stream.pointee.avail_in = UInt32(piece.count)
        fed += piece.count
      }
      stream.pointee.next_out = chunk.baseAddress
      stream.pointee.avail_out = UInt32(chunk.count)
      let status = CZlib.inflate(stream, Z_NO_FLUSH)
      output.append(contentsOf: chunk[..<(chunk.count - Int(stream.pointee.avail_out))])
      if limit == nil, let size = try output.withUnsafeBytes(announced) {
        limit = size
        output.reserveCapacity(min(size, bytes.count.multipliedReportingOverflow(by: 8).partialValue))
      }
      if let limit, output.count > limit {
        throw DataError("\(name): unpacks to more than the \(limit) bytes that its own header announces")
      }
      let consumed = fed - Int(stream.pointee.avail_in)
      switch status {
      case Z_OK where consumed < bytes.count || stream.pointee.avail_out == 0: continue
      case Z_OK, Z_BUF_ERROR: throw DataError("\(name): the gzip data end in the middle: the file is cut short")
      case Z_STREAM_END where consumed == bytes.count: return output
      case Z_STREAM_END:
        guard isGzip(UnsafeRawBufferPointer(rebasing: bytes[consumed...])) else {
          throw DataError("\(name): \(bytes.count - consumed) bytes follow the gzip data, none were expected")
        }
        inflateReset(stream)
      default:
        let reason = stream.pointee.msg.map { String(cString: $0) } ?? "zlib status \(status)"
        throw DataError("\(name): the gzip data are damaged near byte \(consumed): \(reason)")
      }
    }
  }

  /// Unpacks `bytes` to at most `limit` bytes. Throws as the other form does.
  public static func inflate(_ bytes: [UInt8], name: String, limit: Int = FileBytes.defaultLimit) throws -> [UInt8] {
    try bytes.withUnsafeBytes { try inflate($0, name: name) { _ in limit } }
  }
}
