import Datasets
import Foundation
import NeuralNetworks

/// An input beside the relevance of its values.
struct RelevanceMap {
  /// Number of the sample in its part, its class, and what the model takes it for.
  let sample: Int
  let label: Int
  let predicted: Int
  /// [height, width, channels], or [features].
  let shape: [Int]
  let relevance: [Float]
  /// 0…1, [height, width, channels].
  private let image: [Float]

  static func file(_ number: Int) -> String { "map-\(number + 1).png" }

  /// - Parameter place: of the sample in the workspace's batch, whose relevance has just been found.
  init(_ images: LabelledImages, sample: Int, _ workspace: Workspace, place: Int) {
    self.sample = sample
    label = images.labels[sample]
    shape = images.sampleShape
    let size = images.sampleSize
    relevance = Array(UnsafeBufferPointer(start: workspace.inputGradient + place * size, count: size))
    let count = workspace.model.output.shape.count
    let y = workspace.output + place * count
    predicted = (0..<count).reduce(0) { y[$1] > y[$0] ? $1 : $0 }
    switch images.values {
    case .bytes(let bytes, let scale):
      image = bytes[sample * size..<(sample + 1) * size].map { min(1, Float($0) / scale) }
    case .floats(let floats):
      // Whatever they are in, from black for the least to white for the largest.
      let own = floats[sample * size..<(sample + 1) * size]
      let (low, high) = (own.min() ?? 0, own.max() ?? 1)
      image = own.map { high > low ? ($0 - low) / (high - low) : 0 }
    }
  }

  var sum: Double { relevance.reduce(0) { $0 + Double($1) } }
  var magnitude: Double { relevance.reduce(0) { $0 + Double(abs($1)) } }

  // MARK: Pictures

  /// Relevance of each pixel: the sum over its channels.
  private var pixels: [Float] {
    let c = shape[2]
    return (0..<shape[0] * shape[1]).map { p in (0..<c).reduce(0) { $0 + relevance[p * c + $1] } }
  }

  /// The relevance that is drawn in full colour: what few pixels exceed, so that one of them does not blanch the rest.
  private static func fullColour(_ pixels: [Float]) -> Float {
    let sorted = pixels.map { abs($0) }.filter(\.isFinite).sorted()
    guard let largest = sorted.last else { return 1 }
    let usual = sorted[min(sorted.count - 1, sorted.count * 99 / 100)]
    return usual > 0 ? usual : largest > 0 ? largest : 1
  }

  /// Blue for −1 through white to red for 1 (C. Brewer's RdBu), told apart by colour-blind readers.
  static func colour(_ x: Float) -> (red: UInt8, green: UInt8, blue: UInt8) {
    let stops: [(Float, Float, Float)] = [
      (5, 48, 97), (33, 102, 172), (67, 147, 195), (146, 197, 222), (247, 247, 247), (244, 165, 130), (214, 96, 77),
      (178, 24, 43), (103, 0, 31),
    ]
    guard x.isFinite else { return (128, 128, 128) }
    let place = (min(1, max(-1, x)) + 1) / 2 * Float(stops.count - 1)
    let i = min(stops.count - 2, Int(place))
    let t = place - Float(i)
    func mix(_ a: Float, _ b: Float) -> UInt8 { UInt8((a + (b - a) * t).rounded()) }
    return (mix(stops[i].0, stops[i + 1].0), mix(stops[i].1, stops[i + 1].1), mix(stops[i].2, stops[i + 1].2))
  }

  private func imagePixel(_ p: Int) -> (UInt8, UInt8, UInt8) {
    let c = shape[2]
    func byte(_ k: Int) -> UInt8 { UInt8(max(0, min(255, (image[p * c + k] * 255).rounded()))) }
    return c >= 3 ? (byte(0), byte(1), byte(2)) : (byte(0), byte(0), byte(0))
  }

  /// The input and, to its right, its relevance, each pixel a square of `scale` pixels; a white line between them.
  func picture(scale: Int) -> (width: Int, height: Int, pixels: [UInt8]) {
    let (h, w) = (shape[0], shape[1])
    let gap = scale
    let width = 2 * w * scale + gap
    let relevance = pixels
    let full = Self.fullColour(relevance)
    var bytes = [UInt8](repeating: 255, count: 3 * width * h * scale)
    for p in 0..<h * w {
      let sides = [imagePixel(p), Self.colour(relevance[p] / full)]
      for (side, (r, g, b)) in sides.enumerated() {
        for dy in 0..<scale {
          var at = 3 * ((p / w * scale + dy) * width + side * (w * scale + gap) + p % w * scale)
          for _ in 0..<scale {
            (bytes[at], bytes[at + 1], bytes[at + 2]) = (r, g, b)
            at += 3
          }
        }
      }
    }
    return (width, h * scale, bytes)
  }

  /// All maps on one sheet, three pairs in a row, under their classes.
  static func sheet(_ maps: [RelevanceMap], _ names: [String], title: String) -> String {
    let columns = min(3, maps.count)
    let (side, gap, head, top) = (120, 26, 24, 52)
    let pair = 2 * side + 6
    let rows = (maps.count + columns - 1) / columns
    let width = columns * (pair + gap) + gap
    let height = top + rows * (side + head + 14) + 64
    var svg = """
      <svg xmlns="http://www.w3.org/2000/svg" width="\(width)" height="\(height)" viewBox="0 0 \(width) \(height)" \
      font-family="sans-serif" font-size="13">
      <rect width="100%" height="100%" fill="white"/>
      <text x="\(gap)" y="28" font-size="15">\(escaped(title))</text>

      """
    func name(_ c: Int) -> String { c < names.count ? names[c] : "\(c)" }
    for (i, map) in maps.enumerated() {
      let (x, y) = (gap + i % columns * (pair + gap), top + i / columns * (side + head + 14))
      let (w, h, bytes) = map.picture(scale: 1)
      let data = Data(PNG.encode(width: w, height: h, pixels: bytes)).base64EncodedString()
      let isRight = map.label == map.predicted
      let caption =
        escaped(name(map.label))
        + (isRight ? "" : " <tspan fill=\"#b2182b\">taken for \(escaped(name(map.predicted)))</tspan>")
      // One pixel lies between the two pictures.
      svg += """
        <text x="\(x)" y="\(y + 15)">\(caption)</text>
        <image x="\(x)" y="\(y + head)" width="\(pair)" height="\(side)" preserveAspectRatio="xMinYMin meet" \
        style="image-rendering:pixelated" href="data:image/png;base64,\(data)"/>

        """
    }
    let y = height - 40
    let bar = 240
    for i in 0..<60 {
      let (r, g, b) = colour(Float(i) / 29.5 - 1)
      svg +=
        "<rect x=\"\(gap + i * bar / 60)\" y=\"\(y)\" width=\"\(bar / 60 + 1)\" height=\"12\" fill=\"rgb(\(r),\(g),\(b))\"/>\n"
    }
    return svg + """
      <text x="\(gap)" y="\(y + 28)">against</text>
      <text x="\(gap + bar / 2)" y="\(y + 28)" text-anchor="middle">0</text>
      <text x="\(gap + bar)" y="\(y + 28)" text-anchor="end">for the class</text>
      <text x="\(gap + bar + 20)" y="\(y + 11)" fill="#555555">full colour: the 99th percentile of each picture</text>
      </svg>

      """
  }

  static func escaped(_ text: String) -> String {
    text.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;")
      .replacingOccurrences(of: ">", with: "&gt;").replacingOccurrences(of: "\"", with: "&quot;")
  }
}
