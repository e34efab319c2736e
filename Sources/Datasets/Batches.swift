/// Random changes of training images: a crop of the zero-padded image, then a horizontal flip.
///
/// The random numbers come from the caller, a `Draw` for each sample, so that they can depend on (seed, epoch, sample)
/// alone. Padding is the byte 0 and is normalized like any pixel, as in torchvision's RandomCrop before ToTensor.
public struct Augmentation: Equatable, Sendable {
  /// Zero pixels put on every side before a window of the original size is cut out.
  public var padding: Int
  /// Whether half of the images are mirrored left to right.
  public var flip: Bool

  public init(padding: Int = 0, flip: Bool = false) {
    self.padding = padding
    self.flip = flip
  }

  /// What happens to one sample: the window's upper left corner in the padded image (each 0…2·padding) and the flip.
  public struct Draw: Equatable, Sendable {
    public var dx: Int
    public var dy: Int
    public var flip: Bool

    public init(dx: Int, dy: Int, flip: Bool) { (self.dx, self.dy, self.flip) = (dx, dy, flip) }
  }

  /// The draw that three uniform 32-bit random numbers stand for.
  public func draw(_ x: UInt32, _ y: UInt32, _ z: UInt32) -> Draw {
    let places = UInt64(2 * padding + 1)
    return Draw(dx: Int((UInt64(x) * places) >> 32), dy: Int((UInt64(y) * places) >> 32), flip: flip && z >> 31 == 1)
  }
}

/// value ↦ (value − mean) / deviation, for each channel (or one pair for all channels).
public struct Normalization: Equatable, Sendable {
  public var mean: [Float]
  public var deviation: [Float]

  public init(mean: [Float], deviation: [Float]) { (self.mean, self.deviation) = (mean, deviation) }
}

/// Turns chosen samples into a Float32 batch, [batch, height, width, channels] or [batch, features].
///
/// value = byte / scale (or the float itself), normalized, augmented. For bytes the 256 possible values of each channel
/// are computed once, so a batch is one pass over memory. Nothing is allocated while filling, and samples may be
/// filled by several threads at once.
public struct BatchFiller: Sendable {
  public let images: LabelledImages
  public let padding: Int
  /// The values of the 256 bytes, once for each channel or, where all channels are alike, once; empty for floats.
  private let table: [Float]
  /// From a channel's values to the next one's: 256, or 0 where all channels are alike.
  private let tableStride: Int
  /// One for each channel; for floats.
  private let mean: [Float]
  private let deviation: [Float]

  /// - Throws: `DataError` if the normalization does not fit the channels or has a deviation that is not positive, or
  ///   if augmentation is asked for samples that are not images.
  public init(
    _ images: LabelledImages, normalization: Normalization? = nil, augmentation: Augmentation? = nil
  ) throws {
    self.images = images
    let channels = images.channels
    func perChannel(_ values: [Float]?, _ what: String, otherwise: Float) throws -> [Float] {
      guard let values else { return [Float](repeating: otherwise, count: channels) }
      guard values.count == channels || values.count == 1 else {
        throw DataError(
          "normalize: \(values.count) \(what)s were given for \(channels) channels, expected 1 or \(channels)")
      }
      return values.count == channels ? values : [Float](repeating: values[0], count: channels)
    }
    let means = try perChannel(normalization?.mean, "mean", otherwise: 0)
    let deviations = try perChannel(normalization?.deviation, "deviation", otherwise: 1)
    guard means.allSatisfy(\.isFinite), deviations.allSatisfy({ $0.isFinite && $0 > 0 }) else {
      throw DataError("normalize: means must be finite and deviations above 0, found \(means) and \(deviations)")
    }
    padding = augmentation?.padding ?? 0
    if let augmentation, augmentation.padding != 0 || augmentation.flip {
      guard images.sampleShape.count == 3 else {
        throw DataError("augment: the samples are \(shapeText(images.sampleShape)) features, images were expected")
      }
      guard (0...max(images.sampleShape[0], images.sampleShape[1])).contains(augmentation.padding) else {
        throw DataError("augment: a padding of \(augmentation.padding) was asked for, expected 0 to the image's side")
      }
    }
    let alike = means.allSatisfy { $0 == means[0] } && deviations.allSatisfy { $0 == deviations[0] }
    tableStride = alike ? 0 : 256
    var table: [Float] = []
    if case .bytes(_, let scale) = images.values {
      for channel in 0..<(alike ? 1 : channels) {
        for byte in 0..<256 { table.append((Float(byte) / scale - means[channel]) / deviations[channel]) }
      }
    }
    (self.table, mean, deviation) = (table, means, deviations)
  }

  /// Fills `buffer` with the samples at `indices`, in their order.
  /// - Parameter draw: the augmentation of the batch's i-th sample; nil leaves all as they are.
  /// - Precondition: `buffer` has room for all; every index is within 0..<images.count.
  public func fill(
    _ buffer: UnsafeMutableBufferPointer<Float>, indices: [Int], draw: ((_ position: Int) -> Augmentation.Draw)? = nil
  ) {
    let size = images.sampleSize
    precondition(buffer.count >= indices.count * size, "the buffer is too small for the batch")
    for (position, index) in indices.enumerated() {
      fillSample(
        UnsafeMutableBufferPointer(rebasing: buffer[position * size..<(position + 1) * size]), index: index,
        draw: draw?(position))
    }
  }

  /// Fills `target` with the sample at `index`.
  /// - Precondition: `target` has room for a sample; the index is within 0..<images.count; a draw lies within
  ///   0…2·padding.
  public func fillSample(_ target: UnsafeMutableBufferPointer<Float>, index: Int, draw: Augmentation.Draw? = nil) {
    let size = images.sampleSize
    precondition(index >= 0 && index < images.count, "sample \(index) of \(images.count)")
    precondition(target.count >= size, "the buffer is too small for a sample")
    guard let out = target.baseAddress else { return }
    let channels = images.channels
    let plain = Augmentation.Draw(dx: padding, dy: padding, flip: false)
    let window = draw ?? plain
    precondition((0...2 * padding).contains(window.dx) && (0...2 * padding).contains(window.dy), "\(window)")
    let moved = window != plain
    let stride = tableStride

    switch images.values {
    case .bytes(let bytes, _):
      table.withUnsafeBufferPointer { table in
        bytes.withUnsafeBufferPointer { bytes in
          let (table, source) = (table.baseAddress!, bytes.baseAddress! + index * size)
          if moved {
            place(out, window, padded: { table[$0 * stride] }) { c, from in table[c * stride + Int(source[from])] }
          } else if stride == 0 {
            for i in 0..<size { out[i] = table[Int(source[i])] }
          } else {
            var i = 0
            while i < size {
              for c in 0..<channels { out[i + c] = table[c * stride + Int(source[i + c])] }
              i += channels
            }
          }
        }
      }
    case .floats(let floats):
      mean.withUnsafeBufferPointer { mean in
        deviation.withUnsafeBufferPointer { deviation in
          floats.withUnsafeBufferPointer { floats in
            let (mean, deviation) = (mean.baseAddress!, deviation.baseAddress!)
            let source = floats.baseAddress! + index * size
            if moved {
              place(out, window, padded: { -mean[$0] / deviation[$0] }) { c, from in
                (source[from] - mean[c]) / deviation[c]
              }
            } else {
              var i = 0
              while i < size {
                for c in 0..<channels { out[i + c] = (source[i + c] - mean[c]) / deviation[c] }
                i += channels
              }
            }
          }
        }
      }
    }
  }

  /// Fills the window: `value` for what comes from the image at an offset, `padded` for what lies outside it.
  @inline(__always)
  private func place(
    _ out: UnsafeMutablePointer<Float>, _ window: Augmentation.Draw, padded: (_ channel: Int) -> Float,
    value: (_ channel: Int, _ from: Int) -> Float
  ) {
    let (height, width, channels) = (images.sampleShape[0], images.sampleShape[1], images.sampleShape[2])
    let (down, right) = (window.dy - padding, window.dx - padding)
    // Column x comes from column x + right, or width − 1 − x + right if mirrored; `inside` are the x where that exists.
    let first = min(width, max(0, window.flip ? right : -right))
    let inside = first..<max(first, min(width, window.flip ? width + right : width - right))
    let start = (window.flip ? width - 1 : 0) + right
    let step = window.flip ? -1 : 1
    for y in 0..<height {
      let isRow = (0..<height).contains(y + down)
      let columns = isRow ? inside : 0..<0
      let row = (y + down) * width + start
      for c in 0..<channels {
        let line = out + y * width * channels + c
        let zero = padded(c)
        for x in 0..<columns.lowerBound { line[x * channels] = zero }
        for x in columns { line[x * channels] = value(c, (row + step * x) * channels + c) }
        for x in columns.upperBound..<width { line[x * channels] = zero }
      }
    }
  }
}
