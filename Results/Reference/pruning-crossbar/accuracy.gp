set terminal svg size 720,458 dynamic enhanced font "sans,13" background rgb "white"
set encoding utf8
set xlabel "share" noenhanced
set ylabel "accuracy (%)" noenhanced
set grid lc rgb "#cccccc"
set border 3
set tics nomirror
set key below noenhanced height 1.5
set title "accuracy (%) against share, mean ± 95 % interval over 5 seeds" noenhanced
set xrange [0.27999999999999997:0.72]
set xtics ("0.3" 0.3, "0.5" 0.5, "0.7" 0.7) noenhanced
$line0 << EOD
0.3 96.94 0.4442312168316474
0.5 96.94 0.4442312168316474
0.7 96.94 0.4442312168316474
EOD
$line1 << EOD
0.3 95.16 0.7056760046031193
0.5 93.14 0.7734281091096443
0.7 88.24 2.014788756301341
EOD
plot $line0 using ($1+(-0.016)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 1 lc rgb "#0072B2" title "whole.test.accuracy", \
     $line1 using ($1+(0.016)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 2 lc rgb "#D55E00" title "pruned.test.accuracy"
